"""Many films at a time: jobs that outlive the tab, their state on disk, their table and their reports."""
