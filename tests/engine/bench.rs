//! What benches count and print.

use std::path::Path;

use qwgpu::bench::{Elapsed, Probes, Summary, tables, work};
use qwgpu::model::Config;

#[test]
fn the_work_of_a_small_qwen_is_what_its_card_says() {
    let config = Config::published("qwen2.5-0.5b").unwrap();
    let counted = work::shape(&config, 512, 128, 512).unwrap();
    // 494,032,768 parameters (358 M of them in layers); biases and norms are kept in f32.
    assert!((counted.weight_bytes as f64 / 2.0 / 494_032_768.0 - 1.0).abs() < 1e-3);
    // Two multiplications and additions per weight, and attention: 4 · 24 · 896 for every token seen.
    let attention = 4.0 * 24.0 * 896.0;
    let decode = 2.0 * 494e6 + attention * 576.0;
    assert!((counted.decode.flops / decode - 1.0).abs() < 2e-3, "{:e}", counted.decode.flops);
    let prefill = 2.0 * 357.8e6 + attention * 256.0;
    assert!((counted.prefill.flops / prefill - 1.0).abs() < 2e-3, "{:e}", counted.prefill.flops);
    // Keys and values of two heads of 64, 24 layers, f32.
    assert_eq!(counted.cache_bytes_per_token, 2 * 2 * 64 * 24 * 4);
}

#[test]
fn summaries_and_shares() {
    let s = Summary::of([4.0, 1.0, 2.0, 5.0]);
    assert_eq!((s.median, s.min, s.max), (3.0, 1.0, 5.0));
    // Deviations -2, -1, 1, 2 around 3: variance 10 / 3.
    assert!((s.cv - (10.0f64 / 3.0).sqrt() / 3.0).abs() < 1e-12);
    assert_eq!(Summary::of([7.0]).cv, 0.0);

    let elapsed = |seconds, cpu_seconds| Elapsed { seconds, cpu_seconds };
    let probes = Probes { copy_bytes: 100, copy: elapsed(2.0, Some(4.0)), fma_flops: 10, fma: elapsed(1.0, None) };
    // 20 bytes in one CPU second, of 25.
    assert_eq!(probes.share_of_copy(20.0, elapsed(9.0, Some(1.0))), 0.8);
    assert_eq!(probes.share_of_fma(5.0, elapsed(1.0, Some(8.0))), 0.5);
}

#[test]
fn text_between_markers_is_replaced() {
    let fill = |name, text| {
        let old = "a\n<!-- begin: t -->\nold\n<!-- end -->\nb <!-- end -->";
        tables::fill(old, Path::new("x.md"), name, text)
    };
    assert_eq!(fill("t", "new\n").unwrap(), "a\n<!-- begin: t -->\nnew\n<!-- end -->\nb <!-- end -->");
    assert!(fill("u", "").is_err());
    assert_eq!(tables::aligned("| a | b |\n|---|--:|\n| long | 1 |\n"), "a     b\nlong  1\n");
}
