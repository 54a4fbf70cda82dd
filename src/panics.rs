//! What is said where the program breaks. A panic may quote the message that it broke on.

use std::any::Any;

/// Lets every panic be told of from now on, in the log where there is one: at which place of the program it broke, and why
/// only where those words stand in the program as they are.
pub(crate) fn tell() {
    std::panic::set_hook(Box::new(|panic| {
        if is_closed_pipe(panic.payload()) {
            // Whoever reads has enough, as `head` does.
            return;
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let why = panic.payload().downcast_ref::<&'static str>().copied();
        let why = why.unwrap_or("what it says is not shown, since it may quote a message");
        if tracing::dispatcher::has_been_set() {
            tracing::error!(place, why, "something broke; please report it");
        } else {
            eprintln!("samspor: something broke at {place}; please report it: {why}");
        }
    }));
}

fn is_closed_pipe(payload: &(dyn Any + Send)) -> bool {
    let said = payload.downcast_ref::<String>().map(String::as_str).unwrap_or_default();
    said.starts_with("failed printing to stdout") && said.contains("Broken pipe")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    /// Says to this very program, run again, which of the panics it is to cause.
    const WHICH: &str = "SAMSPOR_TEST_PANIC";
    /// A replacement number: nobody has it.
    const CPR: &str = "6112801234";
    const WAYS: usize = 6;

    fn break_by(way: usize) {
        let wrong: Result<i64, String> = format!("{CPR}x").parse::<i64>().map_err(|_| CPR.to_owned());
        match way {
            0 => panic!("it was {CPR}"),
            #[expect(clippy::unwrap_used, reason = "it is to break")]
            1 => assert_eq!(wrong.unwrap(), 0),
            2 => panic!("{}", &CPR[..CPR.len() + wrong.map_or(1, |_| 0)]),
            3 => std::panic::panic_any(CPR.to_owned()),
            4 => assert_eq!(CPR, "another", "they differ"),
            _ => panic!("these words stand in the program"),
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is how the test tells itself")]
    fn a_panic_says_where_and_quotes_nobody() -> Result<(), Box<dyn std::error::Error>> {
        if let Ok(which) = std::env::var(WHICH) {
            let (way, has_log) = which.split_once(' ').ok_or("a way, and whether there is a log")?;
            super::tell();
            if has_log == "true" {
                crate::log();
            }
            break_by(way.parse()?);
            return Err("it did not break".into());
        }
        for way in 0..WAYS {
            for has_log in [false, true] {
                let mut again = Command::new(std::env::current_exe()?);
                again.args(["--exact", "panics::tests::a_panic_says_where_and_quotes_nobody", "--nocapture"]);
                again.env(WHICH, format!("{way} {has_log}")).env("SAMSPOR_LOG", "trace");
                let ended = again.output()?;
                let said = String::from_utf8([ended.stdout, ended.stderr].concat())?;
                assert!(!ended.status.success() && said.contains("something broke"), "{way}: {said}");
                assert!(said.contains("src/panics.rs:"), "it says where: {said}");
                assert!(!said.contains(CPR), "{way}: {said}");
                assert_eq!(said.contains("these words stand"), way == WAYS - 1, "{said}");
                assert_eq!(said.contains("\"level\":\"ERROR\""), has_log, "{said}");
            }
        }
        Ok(())
    }
}
