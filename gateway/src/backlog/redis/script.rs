//! The scripts: one verb each, known to servers by their digest.

use std::sync::LazyLock;

/// A script's text and the digest by which `EVALSHA` calls it.
pub(super) struct Script {
    pub(super) body: &'static str,
    pub(super) digest: String,
}

impl Script {
    fn new(body: &'static str) -> Self {
        Self { body, digest: redis::Script::new(body).get_hash().to_owned() }
    }
}

macro_rules! scripts {
    ($($(#[$attribute:meta])* $name:ident = $($file:literal)+;)*) => {$(
        $(#[$attribute])*
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    )*};
}

scripts! {
    APPEND = "scripts/common.lua" "scripts/append.lua";
    REGISTER = "scripts/common.lua" "scripts/register.lua";
    UNREGISTER = "scripts/unregister.lua";
    READ = "scripts/common.lua" "scripts/read.lua";
    KEEP = "scripts/common.lua" "scripts/keep.lua";
    CLOSE = "scripts/common.lua" "scripts/close.lua";
    MARK = "scripts/mark.lua";
    REMEMBER = "scripts/remember.lua";
    HOLD = "scripts/hold.lua";
    RAISE = "scripts/raise.lua";
}
