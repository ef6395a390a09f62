//! Reflectance to scores: windows, preprocessing, augmentation, engines, heads.

pub mod engine;
