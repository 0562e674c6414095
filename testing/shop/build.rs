//! Compiles both versions of the contract: the same package twice, each into a module of its own with its descriptors.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script's settings come from cargo"
)]

use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=../../proto/mcphub/tool");
    for generation in ["1", "2"] {
        let out = PathBuf::from(env::var("OUT_DIR")?).join(generation);
        fs::create_dir_all(&out)?;
        let compiler = || -> Result<protox::Compiler, protox::Error> {
            let folder = format!("proto/{generation}");
            let mut compiler = protox::Compiler::new([&*folder, "../../proto"])?;
            compiler
                .include_source_info(true)
                .include_imports(true)
                .open_file("shop.proto")?;
            Ok(compiler)
        };
        // prost wants the decoded set; reflection wants the encoded one, because decoding drops custom options.
        tonic_prost_build::configure()
            .build_client(false)
            .out_dir(&out)
            .compile_fds(compiler()?.file_descriptor_set())?;
        fs::write(out.join("shop.v1.bin"), compiler()?.encode_file_descriptor_set())?;
    }
    Ok(())
}
