//! Sentinel-2's bands, as far as light, air and detector see them.

/// What is needed to know of a band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// `B02`, … as products name it.
    pub name: &'static str,
    /// Centre in µm (Sentinel-2A's, to 1 nm).
    pub wavelength_um: f32,
    /// Pixels on the ground in metres.
    pub pixel_m: u16,
    /// Reflectance, for a sun in the zenith, of the reference radiance that the mission's requirements state the
    /// signal-to-noise ratio at: π × radiance / solar irradiance.
    pub reference_reflectance: f32,
    /// The signal-to-noise ratio that is required there.
    pub signal_to_noise: f32,
}

const fn band(name: &'static str, nm: u16, pixel_m: u16, reference_reflectance: f32, signal_to_noise: f32) -> Band {
    Band { name, wavelength_um: nm as f32 / 1000.0, pixel_m, reference_reflectance, signal_to_noise }
}

/// All thirteen, in the order of the products.
pub const ALL: [Band; 13] = [
    band("B01", 443, 60, 0.215, 129.0),
    band("B02", 492, 10, 0.205, 154.0),
    band("B03", 560, 10, 0.221, 168.0),
    band("B04", 665, 10, 0.224, 142.0),
    band("B05", 704, 20, 0.164, 117.0),
    band("B06", 741, 20, 0.166, 89.0),
    band("B07", 783, 20, 0.181, 105.0),
    band("B08", 833, 10, 0.311, 172.0),
    band("B8A", 865, 20, 0.173, 72.0),
    band("B09", 945, 60, 0.035, 114.0),
    band("B10", 1374, 60, 0.051, 50.0),
    band("B11", 1614, 20, 0.051, 100.0),
    band("B12", 2202, 20, 0.055, 100.0),
];

/// Red, green, blue: the order of EuroSAT's patches and of the models that read them.
pub const RGB: [Band; 3] = [ALL[3], ALL[2], ALL[1]];

/// Blue, green, red, near infrared and both short-wave infrareds, as indices into [`ALL`]: what coasts are told apart by.
pub const COASTAL: [usize; 6] = [1, 2, 3, 7, 11, 12];
