module testgo

go 1.19
