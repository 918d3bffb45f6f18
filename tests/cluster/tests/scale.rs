//! Many gateways on simulated nodes: how soon a change is seen to, and what an operator costs that has nothing to do.
//!
//! In CI with a few; `make scale` runs it with 500 resources and 5,000 pods and prints the figures.

mod scale {
    mod brokers;
    mod changes;
    mod crowd;
    mod replicas;
}
