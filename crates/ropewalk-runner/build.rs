//! Compiles the program that stands in for sudo in images without one, and embeds it.
//!
//! It must run in any image, whatever its C library, so it is a static program without one.

use std::env::var;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=sudo");
    println!("cargo:rerun-if-changed=build.rs");
    let from = |name: &str| var(name).unwrap_or_else(|e| fail(&format!("{name}: {e}")));
    let output = format!("{}/sudo", from("OUT_DIR"));
    let mut rustc = Command::new(from("RUSTC"));
    rustc.args(["--edition=2024", "--crate-name=sudo", "--crate-type=bin", "sudo/main.rs"]);
    rustc.args(["--target", &from("TARGET"), "-o", &output]);
    rustc.args([
        "-Cpanic=abort",
        "-Copt-level=s",
        "-Ccodegen-units=1",
        "-Cstrip=symbols",
        "-Crelocation-model=static",
    ]);
    rustc.args(["-Clink-arg=-nostartfiles", "-Clink-arg=-nostdlib", "-Clink-arg=-static"]);
    if let Ok(linker) = var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    match rustc.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("{rustc:?} ended with {status}")),
        Err(error) => fail(&format!("{rustc:?}: {error}")),
    }
}

fn fail(why: &str) -> ! {
    println!("cargo::error=cannot compile sudo/main.rs: {}", why.escape_debug());
    std::process::exit(1)
}
