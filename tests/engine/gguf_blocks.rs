//! Every storage type decodes bit for bit as gguf-py does (scripts/make_gguf_blocks.py).

use qwgpu::checkpoint::STORAGE;

use crate::files::fixture;

#[test]
fn decoders_equal_gguf_py() {
    let folder = fixture("gguf_blocks");
    for storage in STORAGE {
        let Some(decode) = storage.decode else {
            continue;
        };
        let blocks = std::fs::read(folder.join(format!("{}.blocks", storage.name))).unwrap();
        let golden = std::fs::read(folder.join(format!("{}.f32", storage.name))).unwrap();
        let elements = blocks.len() / storage.bytes * storage.elements;
        assert!(elements > 0 && golden.len() == elements * 4);

        let mut decoded = vec![f32::NAN; elements];
        decode(&blocks, &mut decoded);
        for (index, (value, golden)) in decoded.iter().zip(golden.as_chunks().0).enumerate() {
            let golden = f32::from_le_bytes(*golden);
            assert_eq!(
                value.to_bits(),
                golden.to_bits(),
                "{} element {index}: {value:e}, gguf-py {golden:e}",
                storage.name
            );
        }
    }
}
