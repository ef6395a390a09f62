"""The metadata of a SAFE product: the elements that readers use, named as in ESA's Product Specification Document
(S2-PDGS-TAS-DI-PSD), with values that are true of the pixels."""

import xml.etree.ElementTree as xml

from scene.facts import TIME

ISO = "%Y-%m-%dT%H:%M:%S.000Z"
PSD = "https://psd-14.sentinel2.eo.esa.int/PSD/"
PHYSICAL = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
RESOLUTION_M = (60, 10, 10, 10, 20, 20, 20, 10, 20, 60, 60, 20, 20)
CENTRAL_NM = (442.3, 492.1, 559.0, 665.0, 703.8, 739.1, 779.7, 833.0, 864.0, 943.2, 1376.9, 1610.4, 2185.7)
SPACECRAFT = "Sentinel-2"
CONTENT = {
    "DARK_FEATURES": 2, "CLOUD_SHADOW": 3, "VEGETATION": 4, "NOT_VEGETATED": 5, "WATER": 6, "UNCLASSIFIED": 7,
    "MEDIUM_PROBA_CLOUDS": 8, "HIGH_PROBA_CLOUDS": 9, "THIN_CIRRUS": 10, "SNOW_ICE": 11,
}


def node(tag, *inside, **attributes):
    made = xml.Element(tag, {name: str(value) for name, value in attributes.items()})
    for part in inside:
        if isinstance(part, xml.Element):
            made.append(part)
        else:
            made.text = str(part)
    return made


def text(root):
    xml.indent(root, "    ")
    return '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n' + xml.tostring(root, "unicode") + "\n"


def product(stage, images):
    """MTD_MSIL1C.xml or MTD_MSIL2A.xml; `images` are paths without .jp2."""
    facts = stage.facts
    level = f"Level-{facts.level[1:]}"
    cloud = f"{stage.percent(8, 9, 10):.6f}"
    return text(node(
        f"n1:{level}_User_Product",
        node("n1:General_Info", product_info(facts, level, images), characteristics(facts)),
        node("n1:Geometric_Info", node("Product_Footprint", node("Product_Footprint", node(
            "Global_Footprint", node("EXT_POS_LIST", positions(facts)))))),
        node("n1:Quality_Indicators_Info", node("Cloud_Coverage_Assessment", cloud)),
        **{"xmlns:n1": f"{PSD}User_Product_{level}.xsd"},
    ))


def product_info(facts, level, images):
    station = f"{facts.satellite}_OPER_MSI_{facts.level}"
    strip = f"{station}_DS_SIMU_{facts.generated:{TIME}}_S{facts.sensed:{TIME}}_N{facts.baseline}"
    granule = f"{station}_TL_SIMU_{facts.generated:{TIME}}_A{facts.orbit:06}_{facts.tile}_N{facts.baseline}"
    return node(
        "Product_Info",
        node("PRODUCT_START_TIME", f"{facts.sensed:{ISO}}"),
        node("PRODUCT_STOP_TIME", f"{facts.sensed:{ISO}}"),
        node("PRODUCT_URI", facts.product),
        node("PROCESSING_LEVEL", level),
        node("PRODUCT_TYPE", f"S2MSI{facts.level[1:]}"),
        node("PROCESSING_BASELINE", facts.baseline),
        node("GENERATION_TIME", f"{facts.generated:{ISO}}"),
        node(
            "Datatake",
            node("SPACECRAFT_NAME", f"{SPACECRAFT}{facts.satellite[2:]}"),
            node("DATATAKE_TYPE", "INS-NOBS"),
            node("DATATAKE_SENSING_START", f"{facts.sensed:{ISO}}"),
            node("SENSING_ORBIT_NUMBER", facts.orbit),
            node("SENSING_ORBIT_DIRECTION", "DESCENDING"),
            datatakeIdentifier=f"G{facts.satellite}_{facts.sensed:{TIME}}_{facts.orbit:06}_N{facts.baseline}",
        ),
        node("Query_Options", node("PRODUCT_FORMAT", "SAFE_COMPACT"), completeSingleTile="true"),
        node("Product_Organisation", node("Granule_List", node(
            "Granule", *(node("IMAGE_FILE", image) for image in images),
            datastripIdentifier=strip, granuleIdentifier=granule, imageFormat="JPEG2000"))),
    )


def characteristics(facts):
    made = node(
        "Product_Image_Characteristics",
        *(node("Special_Values", node("SPECIAL_VALUE_TEXT", name), node("SPECIAL_VALUE_INDEX", index))
          for name, index in (("NODATA", 0), ("SATURATED", 65535))),
    )
    if facts.level == "L1C":
        made.append(node("QUANTIFICATION_VALUE", 10000, unit="none"))
        group, offset = "Radiometric_Offset_List", "RADIO_ADD_OFFSET"
    else:
        made.append(node("QUANTIFICATION_VALUES_LIST", node("BOA_QUANTIFICATION_VALUE", 10000, unit="none")))
        group, offset = "BOA_ADD_OFFSET_VALUES_LIST", "BOA_ADD_OFFSET"
    if facts.offset_dn:
        made.append(node(group, *(node(offset, facts.offset_dn, band_id=band) for band in range(len(PHYSICAL)))))
    made.append(node("Spectral_Information_List", *(
        node("Spectral_Information", node("RESOLUTION", metres), node("Wavelength", node("CENTRAL", centre, unit="nm")),
             bandId=band, physicalBand=name)
        for band, (name, metres, centre) in enumerate(zip(PHYSICAL, RESOLUTION_M, CENTRAL_NM)))))
    return made


def positions(facts):
    """Latitude and longitude of each corner, the first again at the end."""
    corners = facts.corners
    return " ".join(f"{latitude:.9f} {longitude:.9f}" for longitude, latitude in [*corners, corners[0]])


def tile(stage, masks):
    """MTD_TL.xml."""
    facts = stage.facts
    level = f"Level-{facts.level[1:]}"
    station = f"{facts.satellite}_OPER_MSI_{facts.level}_TL_SIMU"
    return text(node(
        f"n1:{level}_Tile_ID",
        node(
            "n1:General_Info",
            node("TILE_ID", f"{station}_{facts.generated:{TIME}}_A{facts.orbit:06}_{facts.tile}_N{facts.baseline}"),
            node("SENSING_TIME", f"{facts.sensed:{ISO}}"),
        ),
        node("n1:Geometric_Info", geocoding(facts), angles(facts)),
        node("n1:Quality_Indicators_Info", content(stage), node("Pixel_Level_QI", *(
            node("MASK_FILENAME", mask, type="MSK_CLDPRB") for mask in masks), geometry="FULL_RESOLUTION")),
        **{"xmlns:n1": f"{PSD}S2_PDI_{level}_Tile_Metadata.xsd"},
    ))


def geocoding(facts):
    zone = facts.epsg % 100
    sizes = [node("Size", node("NROWS", facts.height_px * 10 // metres), node("NCOLS", facts.width_px * 10 // metres),
                  resolution=metres) for metres in (10, 20, 60)]
    places = [node("Geoposition", node("ULX", f"{facts.left:.0f}"), node("ULY", f"{facts.top:.0f}"), node("XDIM", metres),
                   node("YDIM", -metres), resolution=metres) for metres in (10, 20, 60)]
    return node(
        "Tile_Geocoding",
        node("HORIZONTAL_CS_NAME", f"WGS84 / UTM zone {zone}{'N' if facts.epsg < 32700 else 'S'}"),
        node("HORIZONTAL_CS_CODE", f"EPSG:{facts.epsg}"),
        *sizes, *places, metadataLevel="Brief",
    )


def angles(facts):
    """The sun over the whole tile as over its centre."""
    return node("Tile_Angles", node(
        "Mean_Sun_Angle",
        node("ZENITH_ANGLE", f"{facts.sun_zenith_deg:.9f}", unit="deg"),
        node("AZIMUTH_ANGLE", f"{facts.sun_azimuth_deg:.9f}", unit="deg"),
    ))


def content(stage):
    made = node(
        "Image_Content_QI",
        node("CLOUDY_PIXEL_PERCENTAGE", f"{stage.percent(8, 9, 10):.6f}"),
        node("DEGRADED_MSI_DATA_PERCENTAGE", "0.0"),
    )
    if stage.facts.level == "L2A":
        made.append(node("NODATA_PIXEL_PERCENTAGE", f"{stage.nodata_percent:.6f}"))
        made.append(node("SATURATED_DEFECTIVE_PIXEL_PERCENTAGE", "0.000000"))
        made.extend(node(f"{name}_PERCENTAGE", f"{stage.percent(number):.6f}") for name, number in CONTENT.items())
    return made


def manifest(facts, files):
    """manifest.safe: the list of files alone."""
    return text(node(
        "xfdu:XFDU",
        node("dataObjectSection", *(
            node("dataObject", node("byteStream", node("fileLocation", locatorType="URL", href=f"./{file}")),
                 ID=f"File_{number}") for number, file in enumerate(files))),
        **{"xmlns:xfdu": "urn:ccsds:schema:xfdu:1",
           "version": f"esa/safe/sentinel/1.1/sentinel-2/msi/archive_{facts.level.lower()}_user_product"},
    ))
