//! Protos that tests compile when they run, so that the facade itself is built without any adapter's.

use std::path::Path;

use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};

/// The name of a test's own file.
pub(crate) const FILE: &str = "test.proto";

/// The encoded descriptors of the contract's files `names`, their imports, and the test's own file `source`.
pub(crate) fn compile(source: &str, names: &[&str]) -> Vec<u8> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Own(source.to_owned()));
    resolver.add(IncludeFileResolver::new(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto"),
    ));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    let own = (!source.is_empty()).then_some(FILE);
    for name in names.iter().copied().chain(own) {
        compiler.open_file(name).expect("the proto compiles");
    }
    compiler.encode_file_descriptor_set()
}

/// The head of a test's own file: package `shop.v1`, and what the contract shares.
pub(crate) const HEAD: &str = r#"
    syntax = "proto3";
    package shop.v1;
    import "mcphub/data/v1/data.proto";
    import "mcphub/tool/v1/tool.proto";
"#;

struct Own(String);

impl FileResolver for Own {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == FILE {
            File::from_source(name, &self.0)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}
