//! What `go` statements start.

/// A function that goroutines start with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StartFunction {
    /// Link-time address of its first instruction.
    pub entry: u64,
    /// Its name, for example `main.main.func1`, or `main.main.gowrap2` for what passes arguments on.
    pub name: String,
}

/// What was found out about the program's `go` statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starts {
    /// The start functions, by address.
    pub functions: Vec<StartFunction>,
    /// How many `go` statements there are, the runtime's own included.
    pub statements: usize,
    /// How many of them can only start functions that are among `functions`.
    pub resolved: usize,
    /// The return addresses of the other ones' calls of `runtime.newproc`: what they start is not known.
    pub unknown: Vec<u64>,
}
