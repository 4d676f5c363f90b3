//! Tensors of two dimensions in a payload: `[rows, columns]`, row by row, a block of values at a time.

use std::io;

use super::record::Refusal;
use super::wire::Dtype;
use crate::tensor::Bytes;
use crate::tensor::safetensors::{Layout, Place};

/// Values that are read at a time.
pub(super) const BLOCK: u64 = 1 << 16;

/// A tensor of two dimensions in a file.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) offset: u64,
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) dtype: Dtype,
}

impl Matrix {
    const fn width(self) -> u64 {
        match self.dtype {
            Dtype::F32 => 4,
            Dtype::Bf16 => 2,
        }
    }

    /// How many bytes it has.
    pub(super) const fn size_bytes(self) -> u64 {
        self.rows * self.columns * self.width()
    }

    /// So many of its rows, from the `first` on.
    pub(super) const fn stripe(self, first: u64, rows: u64) -> Self {
        Self { offset: self.offset + first * self.columns * self.width(), rows, ..self }
    }
}

/// The file, and where its tensors lie.
pub(super) struct File<'a, B: ?Sized> {
    pub(super) name: &'a str,
    pub(super) bytes: &'a B,
    pub(super) layout: Layout,
    pub(super) used: usize,
}

impl<B: Bytes + ?Sized> File<'_, B> {
    pub(super) fn refused(&self, reason: String) -> Refusal {
        Refusal::Payload { file: self.name.to_owned(), reason }
    }

    pub(super) fn failed(&self, source: io::Error) -> Refusal {
        Refusal::Io { file: self.name.to_owned(), source }
    }

    pub(super) fn matrix(&mut self, key: &str) -> Result<Matrix, Refusal> {
        let Some(Place { tensor, begin, .. }) =
            self.layout.places.iter().find(|place| place.tensor.name == key)
        else {
            return Err(self.refused(format!("{key:?} is missing")));
        };
        let dtype = match tensor.dtype.as_str() {
            "F32" => Dtype::F32,
            "BF16" => Dtype::Bf16,
            other => return Err(self.refused(format!("{key:?} is {other}; F32 and BF16 are judged"))),
        };
        let [rows, columns] = tensor.shape.as_slice() else {
            return Err(self.refused(format!("{key:?} has not two dimensions")));
        };
        let matrix = Matrix { offset: self.layout.data_start + begin, rows: *rows, columns: *columns, dtype };
        self.used += 1;
        Ok(matrix)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.layout.places.iter().any(|place| place.tensor.name == key)
    }

    /// One row.
    pub(super) fn row(&self, matrix: Matrix, row: u64) -> Result<Vec<f32>, Refusal> {
        read(self.bytes, matrix, row * matrix.columns, matrix.columns).map_err(|source| self.failed(source))
    }

    /// One value.
    pub(super) fn value(&self, matrix: Matrix, at: u64) -> Result<f64, Refusal> {
        let values = read(self.bytes, matrix, at, 1).map_err(|source| self.failed(source))?;
        Ok(f64::from(values[0]))
    }

    /// Gives every row of two matrices of as many rows to `each`, in order.
    pub(super) fn both(
        &self,
        one: Matrix,
        other: Matrix,
        mut each: impl FnMut(usize, &[f32], &[f32]),
    ) -> Result<(), Refusal> {
        let at_once = (BLOCK / one.columns.max(other.columns).max(1)).max(1);
        let mut first = 0;
        while first < one.rows {
            let rows = at_once.min(one.rows - first);
            let part = |matrix: Matrix| {
                read(self.bytes, matrix, first * matrix.columns, rows * matrix.columns)
                    .map_err(|source| self.failed(source))
            };
            let (values, others) = (part(one)?, part(other)?);
            let [width, beside] =
                [one, other].map(|matrix| usize::try_from(matrix.columns).expect("a row was read"));
            for index in 0..usize::try_from(rows).expect("rows were read") {
                let at = usize::try_from(first).expect("rows are counted in memory") + index;
                each(
                    at,
                    &values[index * width..(index + 1) * width],
                    &others[index * beside..(index + 1) * beside],
                );
            }
            first += rows;
        }
        Ok(())
    }

    /// Gives every row of a matrix to `each`, in order.
    pub(super) fn rows(&self, matrix: Matrix, mut each: impl FnMut(usize, &[f32])) -> Result<(), Refusal> {
        if matrix.columns == 0 {
            return Ok(());
        }
        let at_once = (BLOCK / matrix.columns).max(1);
        let mut first = 0;
        while first < matrix.rows {
            let rows = at_once.min(matrix.rows - first);
            let values = read(self.bytes, matrix, first * matrix.columns, rows * matrix.columns)
                .map_err(|source| self.failed(source))?;
            let width = usize::try_from(matrix.columns).expect("a row was read");
            for (index, row) in values.chunks_exact(width).enumerate() {
                each(usize::try_from(first).expect("rows are counted in memory") + index, row);
            }
            first += rows;
        }
        Ok(())
    }
}

/// The values of a matrix from the `first` on.
pub(super) fn read(
    bytes: &(impl Bytes + ?Sized),
    matrix: Matrix,
    first: u64,
    count: u64,
) -> io::Result<Vec<f32>> {
    let count = usize::try_from(count).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let width = matrix.width();
    let mut raw = vec![0; count * usize::try_from(width).expect("a value has few bytes")];
    bytes.read_at(matrix.offset + first * width, &mut raw)?;
    Ok(match matrix.dtype {
        Dtype::F32 => {
            raw.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("four bytes"))).collect()
        }
        Dtype::Bf16 => raw
            .chunks_exact(2)
            .map(|two| f32::from_bits(u32::from(u16::from_le_bytes([two[0], two[1]])) << 16))
            .collect(),
    })
}
