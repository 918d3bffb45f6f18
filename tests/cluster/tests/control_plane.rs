//! The house of the other suites: that its control plane acts as a real one.

mod control_plane {
    mod aggregation;
    mod api_server;
    mod charts;
    mod definitions;
    mod lab;
    mod users;
    mod workloads;
}
