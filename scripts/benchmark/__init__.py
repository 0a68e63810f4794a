"""The benchmark behind scripts/bench. Python's standard library only.

ground    processes, mounts and servers, all of which are gone when it ends
peers     the programs that are compared, and how each mounts the stand-in server
work      what is timed in a process of its own: reading, raw downloads
rows      what is measured: rows, cells, and the conditions of targets
scenes    all scenes, which give the rows: those of long_files and many_files
report    the table, the Markdown and the chart
"""
