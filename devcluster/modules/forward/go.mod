module fabula.dev/devcluster/forward

go 1.26.0
