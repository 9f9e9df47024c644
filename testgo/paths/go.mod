module example.test/paths

go 1.19
