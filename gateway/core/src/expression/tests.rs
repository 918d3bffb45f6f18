use super::*;

/// The text of cel-rust#306, for which version 0.14 of the parser needed gigabytes.
#[test]
fn the_text_on_which_the_parser_ran_out_of_memory_never_reaches_it() {
    for times in 1..30 {
        let text = format!("{}1", "!!(!!!!!!(!!!!(((((!!(!!(!!!!((".repeat(times));
        assert!(bounds::check(&text).is_err());
        let opened = text.matches('(').count();
        assert!(bounds::check(&format!("{text}{}", ")".repeat(opened))).is_err(), "closed as well");
    }
}

#[test]
fn a_panic_of_the_interpreter_is_an_error() {
    assert_eq!(guarded(|| 1), Ok(1));
    assert_eq!(guarded(|| -> u8 { std::panic::resume_unwind(Box::new("planted")) }), Err(()));
}
