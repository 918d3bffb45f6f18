//! The charts on a real control plane, through their lives under both releases of Helm, and what the operator may do then.

mod helm {
    mod lab;
    mod lives;
    mod rights;
}
