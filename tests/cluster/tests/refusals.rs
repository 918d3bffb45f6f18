//! The operator and an API server that refuses, is silent, is late or cuts connections: what is told, what goes on, how often
//! is asked again, and that all is well once it ends.

mod refusals {
    mod lab;
    mod leading;
    mod starting;
    mod telling;
    mod watching;
    mod writing;
}
