//! The images' recipes, as far as they can be checked without building one.

use anyhow::{Context as _, Result, ensure};
use events_gateway_deploy::{checkout, read};

const RECIPES: [&str; 2] = ["deploy/images/gateway.Dockerfile", "deploy/images/operator.Dockerfile"];

/// The instructions of a recipe, each on one line.
fn instructions(path: &str) -> Result<Vec<String>> {
    let text = read(path)?;
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let joined = lines.replace("\\\n", " ");
    Ok(joined.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
}

/// What is copied from the checkout, not from another stage.
fn copied(path: &str) -> Result<Vec<String>> {
    let mut sources = Vec::new();
    for instruction in instructions(path)? {
        let Some(arguments) = instruction.strip_prefix("COPY ") else { continue };
        if !arguments.starts_with("--from=") {
            let mut words: Vec<&str> = arguments.split(' ').collect();
            words.pop().context("a copy without a place")?;
            sources.extend(words.into_iter().map(str::to_owned));
        }
    }
    Ok(sources)
}

#[test]
fn what_is_copied_is_there_and_let_in() -> Result<()> {
    let let_in = read(".dockerignore")?;
    let let_in: Vec<&str> = let_in.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for recipe in RECIPES {
        let sources = copied(recipe)?;
        assert!(!sources.is_empty());
        for source in sources {
            ensure!(checkout().join(&source).exists(), "{recipe} copies {source}, which isn't there");
            ensure!(let_in.contains(&source.as_str()), "{recipe} copies {source}, which .dockerignore keeps out");
        }
    }
    Ok(())
}

#[test]
fn every_member_of_the_workspace_is_copied() -> Result<()> {
    let manifest = read("Cargo.toml")?;
    let members =
        manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).context("no members")?;
    for recipe in RECIPES {
        let sources = copied(recipe)?;
        for member in members.0.split(',').map(|member| member.trim().trim_matches('"')) {
            let is_covered = sources.iter().any(|source| member == source || member.starts_with(&format!("{source}/")));
            ensure!(
                member.is_empty() || is_covered,
                "{recipe} doesn't copy {member}: Cargo would refuse the workspace"
            );
        }
    }
    Ok(())
}

#[test]
fn images_run_as_a_numbered_user_what_was_built() -> Result<()> {
    for (recipe, binary) in RECIPES.into_iter().zip(["events-gateway", "events-gateway-operator"]) {
        let instructions = instructions(recipe)?;
        let has = |wanted: &str| instructions.iter().any(|instruction| instruction.contains(wanted));
        for wanted in [
            "USER 65532:65532",
            &format!("--bin {binary} "),
            &format!("COPY --from=build /{binary} /usr/bin/{binary}"),
            &format!("ENTRYPOINT [\"/usr/bin/{binary}\"]"),
            &format!("org.opencontainers.image.title=\"{binary}\""),
        ] {
            ensure!(has(wanted), "{recipe} has no {wanted}");
        }
    }
    Ok(())
}

#[test]
fn images_are_built_with_the_toolchain_of_the_checkout() -> Result<()> {
    let toolchain = read("rust-toolchain.toml")?;
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).context("no channel")?;
    let minor = channel.trim_matches('"').rsplit_once('.').context("no version")?.0;
    for recipe in RECIPES {
        ensure!(read(recipe)?.contains(&format!("rust:{minor}-")), "{recipe} isn't built with Rust {minor}");
    }
    Ok(())
}
