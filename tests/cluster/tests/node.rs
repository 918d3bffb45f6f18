//! A real node: pods of the gateway's image run on it as they would anywhere, and nothing of it stays behind.

mod node {
    mod gateway;
    mod ingress;
    mod leaving;
    mod pods;
    mod turn;
}
