//! Reflectance to scores: windows, preprocessing, augmentation, engines, heads.

pub mod augment;
pub mod blend;
pub mod census;
mod derive;
pub mod engine;
pub mod gate;
pub mod head;
pub mod preprocess;
pub mod summary;
pub mod thumbnail;
pub mod windows;
