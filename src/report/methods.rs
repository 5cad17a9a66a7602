//! What the report says about a quantization method, looked up by the name that study.json has.

/// A method's name, its title on the page, and one sentence about it.
struct Entry {
    name: &'static str,
    title: &'static str,
    description: &'static str,
}

static ENTRIES: &[Entry] = &[
    Entry { name: "bf16", title: "BF16", description: "Weights in 16 bits, without quantization: the baseline." },
    Entry {
        name: "int8",
        title: "LLM.int8()",
        description: "Weights and activations are rounded to 8 bits. The few input columns with the largest values stay \
                      in 16 bits.",
    },
    Entry {
        name: "gptq",
        title: "GPTQ",
        description: "Weights are rounded column by column. After each column the remaining ones are adjusted to \
                      compensate for its error.",
    },
    Entry {
        name: "spqr",
        title: "SpQR",
        description: "GPTQ with small groups. The weights that matter most, the outliers, stay in 16 bits.",
    },
    Entry {
        name: "rtn",
        title: "RTN",
        description: "Each weight is rounded to the nearest value of the grid, without any correction.",
    },
];

fn entry(method: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == method)
}

/// Returns a method's title, or its name if the method is unknown here.
pub fn title(method: &str) -> &str {
    entry(method).map_or(method, |entry| entry.title)
}

/// Returns what a method does, in one sentence or two.
pub fn description(method: &str) -> Option<&'static str> {
    entry(method).map(|entry| entry.description)
}
