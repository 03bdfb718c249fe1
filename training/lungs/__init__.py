"""The lung finder, fitted in closed form on films whose lungs people have drawn."""
