//! Compiles `proto/` into Rust, and into the descriptors that reflection serves. No `protoc` is needed.

use std::error::Error;
use std::path::PathBuf;

/// Where the workspace keeps its definitions.
const PROTO: &str = "../../proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let mut compiler = protox::Compiler::new([PROTO])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files([
        "samspor/v1/messages.proto",
        "samspor/v1/audit.proto",
        "samspor/v1/change.proto",
        "samspor/v1/citizen.proto",
        "samspor/v1/explain.proto",
        "samspor/v1/feed.proto",
        "samspor/v1/intake.proto",
        "samspor/v1/keys.proto",
        "samspor/v1/operations.proto",
        "samspor/v1/quarantine.proto",
        "samspor/v1/reconciliation.proto",
        "samspor/v1/records.proto",
        "samspor/v1/registry.proto",
        "samspor/v1/sources.proto",
        "samspor/v1/targets.proto",
    ])?;

    #[expect(clippy::disallowed_methods, reason = "it is how cargo tells a build script where to write")]
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    std::fs::write(out.join("samspor.v1.descriptors"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        // What these hold identifies a person. `private.rs` shows their form instead.
        .skip_debug([".samspor.v1.CitizenReference", ".samspor.v1.Receipt", ".samspor.v1.SystemId"])
        .out_dir(out)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
