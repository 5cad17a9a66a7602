//! Every storage type decodes bit for bit as gguf-py does (scripts/make_gguf_blocks.py), and packed blocks hold the same
//! weights.

use std::path::Path;

use qwgpu::checkpoint::{STORAGE, Storage};
use qwgpu::formats::QuantizedWeight;
use qwgpu::formats::gguf::Blocks;
use qwgpu::formats::gguf::blocks::{BLOCKS, Block};

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

fn storage(block: &Block) -> &'static Storage {
    let storage = Storage::from_ggml(block.id).unwrap();
    assert_eq!(
        (storage.name, storage.elements, storage.bytes),
        (block.name, block.columns, block.bytes),
        "as checkpoint has it"
    );
    storage
}

/// The fixture's random blocks, again and again.
fn some_bytes(block: &Block, count: usize) -> Vec<u8> {
    let folder = fixture("gguf_blocks");
    let golden = std::fs::read(folder.join(format!("{}.blocks", block.name))).unwrap();
    golden.into_iter().cycle().take(count * block.bytes).collect()
}

#[test]
fn dequantize_equals_the_decoders_bit_for_bit() {
    for &block in BLOCKS {
        for per_row in [1, 2, 5] {
            let (rows, cols) = (10 / per_row, per_row * block.columns);
            let bytes = some_bytes(block, rows * per_row);
            let weight = Blocks::from_bytes(Path::new("f"), "w", block, [rows, cols], &bytes).unwrap();
            let mut decoded = vec![0.0; rows * cols];
            storage(block).decode.unwrap()(&bytes, &mut decoded);
            let found = weight.dequantize();
            let differs = found.iter().zip(&decoded).position(|(a, b)| a.to_bits() != b.to_bits());
            assert_eq!(differs, None, "{}, {cols} columns", block.name);
        }
    }
}

#[test]
fn a_device_holds_what_the_file_does() {
    for &block in BLOCKS {
        let weight = Blocks::random(block, 70, 768, 1);
        let bytes: usize =
            [0..32, 32..70].into_iter().flat_map(|r| weight.device_tensors(r)).map(|t| 4 * t.words.len()).sum();
        let file = weight.true_bits() as f64 / 8.0;
        assert!(bytes as f64 <= 1.02 * file, "{}: {bytes} bytes for {file}", block.name);
    }
}

#[test]
fn random_weights_keep_the_scale_of_inputs() {
    for &block in BLOCKS {
        let weight = Blocks::random(block, 16, 512, 7).dequantize();
        let mean = weight.iter().sum::<f32>() / weight.len() as f32;
        let square = weight.iter().map(|w| w * w).sum::<f32>() / weight.len() as f32;
        assert!((0.7..1.7).contains(&(square * 512.0)) && mean.abs() < 0.03, "{}: {mean}, {square}", block.name);
    }
}

#[test]
fn damaged_weights_are_refused() {
    for &block in BLOCKS {
        let mut bytes = some_bytes(block, 4);
        let read = |rows, cols, bytes: &[u8]| {
            Blocks::from_bytes(Path::new("f"), "w", block, [rows, cols], bytes).map(|_| ()).unwrap_err().to_string()
        };
        assert!(read(4, block.columns, &bytes[1..]).contains("4 rows of"), "{}", block.name);
        assert!(read(4, block.columns / 2, &bytes).contains("whole"), "{}", block.name);
        bytes[3 * block.bytes..].fill(0xff);
        assert!(read(2, 2 * block.columns, &bytes).contains("row 1"), "{}", block.name);
    }
}

/// Every bit of a block is one bit of its codes or of its statistics.
#[test]
fn splitting_loses_no_bit_and_doubles_none() {
    for block in BLOCKS {
        let split = |bytes: &[u8]| {
            let mut codes = vec![0; block.columns * block.bits() as usize / 8];
            let mut stats = vec![0; block.stat_bytes()];
            block.split(bytes, &mut codes, &mut stats);
            [codes, stats].concat()
        };
        let mut bytes = vec![0; block.bytes];
        let clear = split(&bytes);
        let mut seen = vec![0; clear.len()];
        for bit in 0..8 * block.bytes {
            bytes[bit / 8] = 1 << (bit % 8);
            let changed: Vec<u8> = split(&bytes).iter().zip(&clear).map(|(a, b)| a ^ b).collect();
            bytes[bit / 8] = 0;
            assert_eq!(changed.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1, "{}: bit {bit}", block.name);
            seen.iter_mut().zip(changed).for_each(|(seen, changed)| *seen |= changed);
        }
        let bits: u32 = seen.iter().map(|byte: &u8| byte.count_ones()).sum();
        assert_eq!(bits as usize, 8 * block.bytes, "{}: two bits in one place", block.name);
    }
}

#[test]
fn even_statistics_give_every_group_one_scale() {
    for block in BLOCKS {
        let mut stats = vec![0; block.stat_bytes()];
        block.even_stats(0.5, &mut stats);
        let first = block.scale_and_minimum(&stats, 0);
        assert_eq!(first.0, 0.5, "{}", block.name);
        for group in 0..block.columns / block.group {
            assert_eq!(block.scale_and_minimum(&stats, group), first, "{}: group {group}", block.name);
        }
    }
}
