//go:build archive

package main

import "C"

// Begin is main for a program in C that has this one inside, as a library.
//
//export Begin
func Begin() {
	main()
}
