"""What every room asks of the machine: files written whole, processes, progress bars, quiet imports."""
