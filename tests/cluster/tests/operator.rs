//! The operator on a real control plane: what it makes, keeps, takes away and says. No pod runs here.

mod operator {
    mod building;
    mod lab;
    mod leading;
    mod scaling;
    mod telling;
}
