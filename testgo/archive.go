//go:build archive

package main

import "testgo/inside"

func init() {
	inside.Main = main
}
