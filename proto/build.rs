//! Compiles every `.proto` below `mcphub/` with protox, so that nobody needs protoc, and writes the module tree.
//!
//! A package `mcphub.x.v1` is compiled when the feature `x` is on. For each there is a module `x::v1` with the generated
//! code and `x::v1::DESCRIPTORS`, the encoded descriptor set with comments, options and imports: what reflection serves.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script's settings come from cargo"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=mcphub");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let packages = packages(Path::new("mcphub"))?;
    let files: Vec<&PathBuf> = packages.values().flatten().collect();

    // prost wants the decoded set; reflection wants the encoded one, because decoding drops custom options.
    let set = compiler(&files)?.file_descriptor_set();
    let mut config = tonic_prost_build::Config::new();
    // A resource can be any message of its adapter, which is sent with its name.
    config.enable_type_names();
    tonic_prost_build::configure()
        .out_dir(&out)
        .compile_fds_with_config(set, config)?;

    let mut tree = String::new();
    for (name, files) in &packages {
        fs::write(
            out.join(format!("{name}.v1.bin")),
            compiler(&files.iter().collect::<Vec<_>>())?.encode_file_descriptor_set(),
        )?;
        write!(
            tree,
            r#"
/// Package `mcphub.{name}`.
pub mod {name} {{
    /// Package `mcphub.{name}.v1`.
    pub mod v1 {{
        include!("mcphub.{name}.v1.rs");

        /// The encoded descriptors of this package and its imports, with comments and options.
        pub const DESCRIPTORS: &[u8] = include_bytes!("{name}.v1.bin");
    }}
}}
"#
        )?;
    }
    fs::write(out.join("tree.rs"), tree)?;
    Ok(())
}

/// The `.proto` files of each package whose feature is on, by the package's middle name.
fn packages(root: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>> {
    let mut packages = BTreeMap::new();
    for folder in fs::read_dir(root)? {
        let folder = folder?;
        let name = folder
            .file_name()
            .into_string()
            .map_err(|_| "a folder name is not UTF-8")?;
        if env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase())).is_none() {
            continue;
        }
        let mut files: Vec<PathBuf> = fs::read_dir(folder.path().join("v1"))?
            .map(|file| Ok(file?.path()))
            .collect::<Result<_>>()?;
        files.sort();
        packages.insert(name, files);
    }
    Ok(packages)
}

fn compiler(files: &[&PathBuf]) -> Result<protox::Compiler> {
    let mut compiler = protox::Compiler::new(["."])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(files)?;
    Ok(compiler)
}
