"""The comparison of Kiln with its peers; bench/run is the program, bench/README.md the manual."""
