"""Measurements that print a table, each with what it is compared with."""
