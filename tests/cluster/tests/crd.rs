//! The custom resources on a real API server: what it takes, fills in, refuses, and says then.

mod crd {
    mod applying;
    mod cases;
    mod definitions;
    mod filling_in;
    mod lab;
    mod refusing;
    mod resetting;
    mod samples;
    mod scaling;
}
