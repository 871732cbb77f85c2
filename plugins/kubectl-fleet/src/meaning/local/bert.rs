//! The encoder that nearly all small embedding models are (MiniLM, bge, e5, gte): BERT, forwards only, in plain loops.
//!
//! Tokens become vectors, some layers of attention and a small network mix them, and their mean (or the first) stands
//! for the text. A text of an object has some twenty tokens, so a model of 22 million weights needs milliseconds for it
//! and no library for matrices.

use serde::Deserialize;

use super::LocalError;
use super::weights::Weights;

/// What a model says of itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    pub(super) model_type: String,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) max_position_embeddings: usize,
    pub(super) vocab_size: usize,
    #[serde(default = "usual_epsilon")]
    pub(super) layer_norm_eps: f32,
    #[serde(default = "usual_activation")]
    pub(super) hidden_act: String,
    #[serde(default = "usual_positions")]
    pub(super) position_embedding_type: String,
}

fn usual_epsilon() -> f32 {
    1e-12
}

fn usual_activation() -> String {
    "gelu".to_owned()
}

fn usual_positions() -> String {
    "absolute".to_owned()
}

impl Config {
    /// Whether it is the architecture that is written down here.
    fn check(&self) -> Result<(), LocalError> {
        for (what, is, known) in [
            ("model_type", &self.model_type, "bert"),
            ("hidden_act", &self.hidden_act, "gelu"),
            (
                "position_embedding_type",
                &self.position_embedding_type,
                "absolute",
            ),
        ] {
            if is != known {
                return Err(LocalError::Unsupported(format!("a {what} `{is}`")));
            }
        }
        let heads = self.num_attention_heads;
        if heads == 0 || self.hidden_size == 0 || !self.hidden_size.is_multiple_of(heads) {
            return Err(LocalError::Broken(format!(
                "{} numbers cannot be shared by {heads} heads",
                self.hidden_size
            )));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Linear {
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

#[derive(Debug)]
struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    mixed: Linear,
    after_mixing: Norm,
    wide: Linear,
    narrow: Linear,
    after_network: Norm,
}

/// A model.
#[derive(Debug)]
pub(super) struct Bert {
    width: usize,
    heads: usize,
    words: Vec<f32>,
    positions: Vec<f32>,
    first_kind: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    /// The first token stands for the text, not the mean of all.
    first_token: bool,
}

/// Reads the parts of a model out of its weights.
struct Parts {
    weights: Weights,
    epsilon: f32,
}

impl Parts {
    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Result<Linear, LocalError> {
        Ok(Linear {
            weight: self
                .weights
                .take(&format!("{name}.weight"), &[outputs, inputs])?,
            bias: self.weights.take(&format!("{name}.bias"), &[outputs])?,
            inputs,
        })
    }

    fn norm(&mut self, name: &str, width: usize) -> Result<Norm, LocalError> {
        Ok(Norm {
            weight: self.weights.take(&format!("{name}.weight"), &[width])?,
            bias: self.weights.take(&format!("{name}.bias"), &[width])?,
            epsilon: self.epsilon,
        })
    }

    fn layer(&mut self, at: usize, config: &Config) -> Result<Layer, LocalError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{at}.{part}");
        Ok(Layer {
            query: self.linear(&name("attention.self.query"), width, width)?,
            key: self.linear(&name("attention.self.key"), width, width)?,
            value: self.linear(&name("attention.self.value"), width, width)?,
            mixed: self.linear(&name("attention.output.dense"), width, width)?,
            after_mixing: self.norm(&name("attention.output.LayerNorm"), width)?,
            wide: self.linear(&name("intermediate.dense"), width, inner)?,
            narrow: self.linear(&name("output.dense"), inner, width)?,
            after_network: self.norm(&name("output.LayerNorm"), width)?,
        })
    }
}

impl Bert {
    /// Puts a model together.
    pub(super) fn new(
        config: &Config,
        weights: Weights,
        first_token: bool,
    ) -> Result<Self, LocalError> {
        config.check()?;
        let width = config.hidden_size;
        let mut parts = Parts {
            weights,
            epsilon: config.layer_norm_eps,
        };
        let mut table = |name: &str, rows| {
            parts
                .weights
                .take(&format!("embeddings.{name}.weight"), &[rows, width])
        };
        let words = table("word_embeddings", config.vocab_size)?;
        let positions = table("position_embeddings", config.max_position_embeddings)?;
        let mut kinds = table("token_type_embeddings", 2)?;
        kinds.truncate(width);
        Ok(Self {
            width,
            heads: config.num_attention_heads,
            words,
            positions,
            first_kind: kinds,
            norm: parts.norm("embeddings.LayerNorm", width)?,
            layers: (0..config.num_hidden_layers)
                .map(|at| parts.layer(at, config))
                .collect::<Result<_, _>>()?,
            first_token,
        })
    }

    /// The vector of a text's tokens, of length one.
    pub(super) fn vector(&self, tokens: &[u32]) -> Vec<f32> {
        let mut state = Vec::with_capacity(tokens.len() * self.width);
        let positions = self.positions.chunks_exact(self.width);
        for (token, position) in tokens.iter().zip(positions) {
            let at = usize::try_from(*token).unwrap_or(usize::MAX);
            let word = self.words.chunks_exact(self.width).nth(at);
            let sum = position.iter().zip(&self.first_kind).map(|(a, b)| a + b);
            match word {
                Some(word) => state.extend(sum.zip(word).map(|(a, b)| a + b)),
                // A token beyond the table: the tokenizer is of another model, and the text says nothing.
                None => state.extend(sum),
            }
        }
        self.norm.apply(&mut state);
        for layer in &self.layers {
            layer.apply(&mut state, self.width, self.heads);
        }
        let mut vector = vec![0.0; self.width];
        let counted = if self.first_token { 1 } else { tokens.len() };
        for row in state.chunks_exact(self.width).take(counted) {
            add(&mut vector, row);
        }
        let length = dot(&vector, &vector).sqrt().max(f32::MIN_POSITIVE);
        for value in &mut vector {
            *value /= length;
        }
        vector
    }
}

impl Layer {
    fn apply(&self, state: &mut [f32], width: usize, heads: usize) {
        let mixed = self.mixed.apply(&self.attend(state, width, heads));
        add(state, &mixed);
        self.after_mixing.apply(state);
        let mut inner = self.wide.apply(state);
        for value in &mut inner {
            *value = gelu(*value);
        }
        let outer = self.narrow.apply(&inner);
        add(state, &outer);
        self.after_network.apply(state);
    }

    /// Every token looks at every other, in each head for itself.
    fn attend(&self, state: &[f32], width: usize, heads: usize) -> Vec<f32> {
        let (query, key, value) = (
            self.query.apply(state),
            self.key.apply(state),
            self.value.apply(state),
        );
        let part = width / heads;
        #[expect(clippy::cast_precision_loss, reason = "some dozens")]
        let scale = 1.0 / (part as f32).sqrt();
        let mut seen = vec![0.0; state.len()];
        let mut weights = vec![0.0; state.len() / width];
        for head in 0..heads {
            let place = head * part..(head + 1) * part;
            for (query, seen) in query.chunks_exact(width).zip(seen.chunks_exact_mut(width)) {
                for (weight, key) in weights.iter_mut().zip(key.chunks_exact(width)) {
                    *weight = dot(&query[place.clone()], &key[place.clone()]) * scale;
                }
                softmax(&mut weights);
                let seen = &mut seen[place.clone()];
                for (weight, value) in weights.iter().zip(value.chunks_exact(width)) {
                    for (seen, value) in seen.iter_mut().zip(&value[place.clone()]) {
                        *seen += weight * value;
                    }
                }
            }
        }
        seen
    }
}

impl Linear {
    fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let outputs = self.bias.len();
        let mut result = vec![0.0; rows.len() / self.inputs * outputs];
        // A row of the weights is used for all tokens while it is near.
        let weights = self.weight.chunks_exact(self.inputs).zip(&self.bias);
        for (at, (weight, bias)) in weights.enumerate() {
            let cells = result.iter_mut().skip(at).step_by(outputs);
            for (cell, row) in cells.zip(rows.chunks_exact(self.inputs)) {
                *cell = bias + dot(weight, row);
            }
        }
        result
    }
}

impl Norm {
    fn apply(&self, rows: &mut [f32]) {
        let width = self.weight.len();
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let count = width as f32;
        for row in rows.chunks_exact_mut(width) {
            let mean = row.iter().sum::<f32>() / count;
            let spread = row.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
            let scale = 1.0 / (spread + self.epsilon).sqrt();
            for (value, (weight, bias)) in row.iter_mut().zip(self.weight.iter().zip(&self.bias)) {
                *value = (*value - mean) * scale * weight + bias;
            }
        }
    }
}

fn add(to: &mut [f32], what: &[f32]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += what;
    }
}

/// In eight sums at once, which is what lets a compiler use wide registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, rest_a) = a.as_chunks::<8>();
    let (b, rest_b) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

fn softmax(values: &mut [f32]) {
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in &mut *values {
        *value = (*value - most).exp();
        sum += *value;
    }
    for value in values {
        *value /= sum;
    }
}

/// `x·Φ(x)`, with the error function as Abramowitz and Stegun approximate it (7.1.26: to seven digits, as f32 has).
fn gelu(x: f32) -> f32 {
    let z = f64::from(x) / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z.abs());
    let series = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ]
    .into_iter()
    .fold(0.0, |sum, factor| (sum + factor) * t);
    let error = (1.0 - series * (-z * z).exp()).copysign(z);
    #[expect(clippy::cast_possible_truncation, reason = "it came from an f32")]
    let result = (f64::from(x) * 0.5 * (1.0 + error)) as f32;
    result
}

#[cfg(test)]
mod tests {
    use super::super::weights::tests::file;
    use super::*;

    fn config() -> Config {
        Config {
            model_type: "bert".into(),
            hidden_size: 2,
            num_hidden_layers: 0,
            num_attention_heads: 1,
            intermediate_size: 2,
            max_position_embeddings: 4,
            vocab_size: 3,
            layer_norm_eps: 0.0,
            hidden_act: "gelu".into(),
            position_embedding_type: "absolute".into(),
        }
    }

    fn embeddings() -> Vec<(&'static str, &'static [usize], Vec<f32>)> {
        vec![
            (
                "embeddings.word_embeddings.weight",
                &[3, 2],
                vec![1.0, 0.0, 0.0, 1.0, 3.0, 1.0],
            ),
            (
                "embeddings.position_embeddings.weight",
                &[4, 2],
                vec![0.0; 8],
            ),
            (
                "embeddings.token_type_embeddings.weight",
                &[2, 2],
                vec![0.0; 4],
            ),
            ("embeddings.LayerNorm.weight", &[2], vec![1.0, 1.0]),
            ("embeddings.LayerNorm.bias", &[2], vec![1.0, 0.0]),
        ]
    }

    #[test]
    fn a_model_without_layers_is_the_mean_of_its_normed_words() {
        let model = |first| {
            let weights = Weights::of(&file(&embeddings())).unwrap();
            Bert::new(&config(), weights, first).unwrap()
        };
        // Normed, the words are (1, -1), (-1, 1) and (1, -1); with the bias (2, -1), (0, 1), (2, -1).
        let vector = model(false).vector(&[0, 1]);
        assert!(
            (vector[0] - 1.0).abs() < 1e-6 && vector[1].abs() < 1e-6,
            "{vector:?}"
        );
        let vector = model(true).vector(&[1, 0]);
        assert!(
            vector[0].abs() < 1e-6 && (vector[1] - 1.0).abs() < 1e-6,
            "{vector:?}"
        );
    }

    #[test]
    fn a_layer_that_adds_nothing_changes_nothing() {
        let mut tensors = embeddings();
        for (name, shape) in [
            ("attention.self.query", &[2usize, 2][..]),
            ("attention.self.key", &[2, 2]),
            ("attention.self.value", &[2, 2]),
            ("attention.output.dense", &[2, 2]),
            ("intermediate.dense", &[2, 2]),
            ("output.dense", &[2, 2]),
        ] {
            tensors.push((
                format!("encoder.layer.0.{name}.weight").leak(),
                shape,
                vec![0.0; 4],
            ));
            tensors.push((
                format!("encoder.layer.0.{name}.bias").leak(),
                &[2],
                vec![0.0; 2],
            ));
        }
        for name in ["attention.output", "output"] {
            let norm = format!("encoder.layer.0.{name}.LayerNorm");
            tensors.push((format!("{norm}.weight").leak(), &[2], vec![1.0; 2]));
            tensors.push((format!("{norm}.bias").leak(), &[2], vec![0.0; 2]));
        }
        let one = Config {
            num_hidden_layers: 1,
            ..config()
        };
        let model = Bert::new(&one, Weights::of(&file(&tensors)).unwrap(), false).unwrap();
        // (2, -1) normed is (1, -1), and stays so.
        let vector = model.vector(&[0, 2]);
        let half = std::f32::consts::FRAC_1_SQRT_2;
        assert!(
            (vector[0] - half).abs() < 1e-5 && (vector[1] + half).abs() < 1e-5,
            "{vector:?}"
        );
    }

    #[test]
    fn another_architecture_is_refused_by_name() {
        let other = Config {
            model_type: "mpnet".into(),
            ..config()
        };
        let error = Bert::new(&other, Weights::of(&file(&embeddings())).unwrap(), false);
        assert!(error.unwrap_err().to_string().contains("mpnet"));
    }

    #[test]
    fn the_error_function_is_that_of_the_tables() {
        for (x, value) in [
            (0.0, 0.0),
            (1.0, 0.841_345),
            (-1.0, -0.158_655),
            (3.0, 2.995_95),
            (-9.0, 0.0),
        ] {
            assert!((gelu(x) - value).abs() < 1e-5, "{x}: {}", gelu(x));
        }
    }
}
