//! The tokenizer and the chat template of a real Qwen2.5, against Hugging Face.

use std::path::PathBuf;

use qwgpu::checkpoint::Checkpoint;
use qwgpu::digest::sha256;
use qwgpu::generate::load;
use qwgpu::text::{ChatTemplate, Message};
use serde_json::Value;

use crate::external::External;
use crate::text_checks::{check_goldens, fixture, one_megabyte};

pub static TESTS: &[External] = &[
    External {
        name: "text/ids_of_a_real_model_are_those_of_hugging_face",
        needs: &["QWGPU_MODEL"],
        run: ids_of_a_real_model_are_those_of_hugging_face,
    },
    External {
        name: "text/template_of_a_real_model_renders_as_in_transformers",
        needs: &["QWGPU_MODEL"],
        run: template_of_a_real_model_renders_as_in_transformers,
    },
];

fn ids_of_a_real_model_are_those_of_hugging_face(paths: &[PathBuf]) {
    let tokenizer = load::tokenizer(&Checkpoint::open(&paths[0]).unwrap(), &paths[0]).unwrap();
    check_goldens(&tokenizer, &fixture("qwen2_cases.json"));
    assert_eq!(tokenizer.vocab_size(), 151_665);
    assert_eq!(tokenizer.token_id("<|im_start|>"), Some(151_644));
    let chat = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n\
                <|im_start|>user\nWrite a Python function that checks whether a number is prime.<|im_end|>\n\
                <|im_start|>assistant\n";
    let code = "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n    if n < 2:\n";
    for (text, ids) in [
        ("The capital of France is", &[785, 6722, 315, 9625, 374][..]),
        (
            code,
            &[
                750, 75698, 1445, 982, 262, 4210, 5598, 279, 308, 7563, 79683, 1372, 14442, 262, 421, 308, 366, 220,
                17, 510,
            ],
        ),
        (
            chat,
            &[
                151644, 8948, 198, 2610, 525, 1207, 16948, 11, 3465, 553, 54364, 14817, 13, 1446, 525, 264, 10950,
                17847, 13, 151645, 198, 151644, 872, 198, 7985, 264, 13027, 729, 429, 12341, 3425, 264, 1372, 374,
                10250, 13, 151645, 198, 151644, 77091, 198,
            ],
        ),
    ] {
        assert_eq!(tokenizer.encode(text).unwrap(), ids);
        assert_eq!(tokenizer.decode(ids, false).unwrap(), text);
    }
    one_megabyte(&tokenizer);
}

fn template_of_a_real_model_renders_as_in_transformers(paths: &[PathBuf]) {
    let source = Checkpoint::open(&paths[0]).unwrap().chat_template.unwrap();
    let goldens = fixture("templates.json");
    assert_eq!(sha256(&source), goldens["model"]["sha256"], "the goldens are of another model");
    let template = ChatTemplate::new(&source, None, None).unwrap();
    for case in goldens["model"]["rendered"].as_array().unwrap() {
        let chat = goldens["chats"][case["chat"].as_str().unwrap()].as_array().unwrap();
        let text = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
        let chat: Vec<_> =
            chat.iter().map(|m| Message { role: text(m, "role"), content: text(m, "content") }).collect();
        let result = template.render(&chat, case["prompt"] == Value::Bool(true));
        match (case["text"].as_str(), case["error"].as_str()) {
            (Some(expected), _) => assert_eq!(result.unwrap(), expected),
            (None, expected) => assert!(result.unwrap_err().to_string().contains(expected.unwrap()), "{case}"),
        }
    }
    let long = vec![Message::new("user", &"word ".repeat(200)); 1000];
    assert!(template.render(&long, true).unwrap().len() > 1_000_000);
}
