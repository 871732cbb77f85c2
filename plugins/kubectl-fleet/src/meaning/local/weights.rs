//! A file of weights in the safetensors format: eight bytes with the length of a header, the header in JSON (name, type,
//! shape and place of each tensor), then the numbers.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::LocalError;

/// A longer header describes no model of the size that is meant for here.
const HEADER_BYTES: u64 = 16 << 20;
/// Nor does a larger file.
const FILE_BYTES: u64 = 4 << 30;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// Tensors by name.
#[derive(Debug)]
pub(super) struct Weights(HashMap<String, Tensor>);

/// Numbers and their shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Weights {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, LocalError> {
        let unreadable = |error: std::io::Error| LocalError::Unreadable {
            file: path.display().to_string(),
            why: error.to_string(),
        };
        if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES {
            return Err(LocalError::Unsupported("a model of more than 4 GiB".into()));
        }
        Self::of(&std::fs::read(path).map_err(unreadable)?)
    }

    /// The tensors of a file's bytes.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, LocalError> {
        let broken = |why: &str| LocalError::Broken(format!("model.safetensors: {why}"));
        let (length, rest) = bytes
            .split_first_chunk::<8>()
            .ok_or_else(|| broken("it is cut off"))?;
        let length = u64::from_le_bytes(*length);
        let length = usize::try_from(length)
            .ok()
            .filter(|_| length <= HEADER_BYTES)
            .filter(|length| *length <= rest.len())
            .ok_or_else(|| broken("its header is longer than it"))?;
        let (header, data) = rest.split_at(length);
        let header: HashMap<String, serde_json::Value> =
            serde_json::from_slice(header).map_err(|error| broken(&error.to_string()))?;
        let mut tensors = HashMap::new();
        for (name, entry) in header {
            if name == "__metadata__" {
                continue;
            }
            let entry: Entry =
                serde_json::from_value(entry).map_err(|error| broken(&error.to_string()))?;
            let (from, to) = entry.data_offsets;
            let part = data
                .get(from..to)
                .ok_or_else(|| broken(&format!("{name} lies outside of it")))?;
            let Some(values) = numbers(&entry.dtype, part) else {
                // Counters and masks are stored beside weights; a weight that is missing is noticed where it is wanted.
                continue;
            };
            let expected = entry
                .shape
                .iter()
                .try_fold(1usize, |product, side| product.checked_mul(*side));
            if expected != Some(values.len()) {
                return Err(broken(&format!("{name} has not the shape that is said")));
            }
            let shape = entry.shape;
            tensors.insert(name, Tensor { shape, values });
        }
        Ok(Self(tensors))
    }

    /// Takes a tensor out, which must have this shape.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LocalError> {
        // The same weights are also saved with the name of the model before them.
        let tensor = self
            .0
            .remove(name)
            .or_else(|| self.0.remove(&format!("bert.{name}")))
            .ok_or_else(|| LocalError::Broken(format!("the model has no {name}")))?;
        if tensor.shape == shape {
            Ok(tensor.values)
        } else {
            Err(LocalError::Broken(format!(
                "{name} is {:?} and should be {shape:?}",
                tensor.shape
            )))
        }
    }
}

/// Numbers of a known type; none for another type.
fn numbers(dtype: &str, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = || {
        bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|it| u16::from_le_bytes(*it))
    };
    match dtype {
        "F32" => Some(
            bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|it| f32::from_le_bytes(*it))
                .collect(),
        ),
        "BF16" => Some(
            pairs()
                .map(|half| f32::from_bits(u32::from(half) << 16))
                .collect(),
        ),
        "F16" => Some(pairs().map(widened).collect()),
        _ => None,
    }
}

/// A number of 16 bits as one of 32.
fn widened(half: u16) -> f32 {
    let (sign, exponent, fraction) = (
        u32::from(half >> 15) << 31,
        u32::from(half >> 10) & 0x1f,
        u32::from(half) & 0x3ff,
    );
    match (exponent, fraction) {
        (0, 0) => f32::from_bits(sign),
        (0, fraction) => {
            #[expect(clippy::cast_precision_loss, reason = "ten bits")]
            let value = fraction as f32 * 2f32.powi(-24);
            f32::from_bits(sign | value.to_bits())
        }
        (0x1f, fraction) => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        (exponent, fraction) => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The bytes of a file with these tensors.
    pub(in crate::meaning) fn file(tensors: &[(&str, &[usize], Vec<f32>)]) -> Vec<u8> {
        let (mut header, mut data) = (json!({}), Vec::new());
        for (name, shape, values) in tensors {
            let from = data.len();
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            header[*name] =
                json!({"dtype": "F32", "shape": shape, "data_offsets": [from, data.len()]});
        }
        with_header(&header, &data)
    }

    fn with_header(header: &Value, data: &[u8]) -> Vec<u8> {
        let header = header.to_string().into_bytes();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(data);
        bytes
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = file(&[
            ("a", &[2, 2], vec![1.0, -2.5, 0.0, 3.0]),
            ("b", &[1], vec![7.0]),
        ]);
        let mut weights = Weights::of(&bytes).unwrap();
        assert_eq!(weights.take("a", &[2, 2]).unwrap(), [1.0, -2.5, 0.0, 3.0]);
        assert!(weights.take("b", &[2]).is_err());
        assert!(weights.take("c", &[1]).is_err());
    }

    #[test]
    fn hostile_files_are_refused() {
        let cut = &file(&[("a", &[2], vec![1.0, 2.0])])[..20];
        let outside = json!({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 400]}});
        let backwards = json!({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}});
        let shape =
            json!({"a": {"dtype": "F32", "shape": [usize::MAX, 2], "data_offsets": [0, 4]}});
        for bytes in [
            Vec::new(),
            vec![0xff; 64],
            cut.to_vec(),
            with_header(&outside, &[0; 4]),
            with_header(&backwards, &[0; 4]),
            with_header(&shape, &[0; 4]),
            with_header(&json!([]), &[]),
        ] {
            assert!(Weights::of(&bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn half_numbers_keep_their_value() {
        for (half, value) in [
            (0x3c00, 1.0),
            (0xc100, -2.5),
            (0x0001, 2f32.powi(-24)),
            (0x7c00, f32::INFINITY),
            (0x8000, -0.0),
        ] {
            assert_eq!(widened(half).to_bits(), f32::to_bits(value), "{half:x}");
        }
        assert_eq!(numbers("BF16", &[0x20, 0xc0]), Some(vec![-2.5]));
    }
}
