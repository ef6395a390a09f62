"""Validates model.json files without the network: usage validate_manifest.py SCHEMA MODEL_JSON...

Three independent judges: pystac's bundled STAC 1.1 core schema, the pydantic models of stac-model
0.6.0 (the MLM extension), and jsonschema with this repository's schema for s2infer:inference.
"""

import json
import sys

import jsonschema
import pystac
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from stac_model.schema import SCHEMA_URI, MLModelExtension, MLModelProperties

FILE_URI = "https://stac-extensions.github.io/file/v2.1.0/schema.json"


def validate(path, block_schema):
    with open(path, encoding="utf-8") as file:
        raw = json.load(file)
    assert SCHEMA_URI in raw["stac_extensions"], f"{SCHEMA_URI} is not listed"
    assert FILE_URI in raw["stac_extensions"], f"{FILE_URI} is not listed"

    item = pystac.Item.from_dict(raw)
    JsonSchemaSTACValidator().validate_core(raw, pystac.STACObjectType.ITEM, "1.1.0")

    properties = MLModelProperties.model_validate(raw["properties"])
    (model_input,) = properties.input
    (output,) = properties.output
    assert len(model_input.bands) == model_input.input.shape[1]
    assert "bands" in model_input.input.dim_order, "MLM 1.5 wants the dimension of bands named so"
    assert [c.to_dict()["value"] for c in output.classes] == list(range(len(output.classes)))

    # What stac-model would write itself must be what stands there.
    fresh = pystac.Item.from_dict(raw)
    fresh.properties = {k: v for k, v in raw["properties"].items() if not k.startswith("mlm:")}
    MLModelExtension.ext(fresh).apply(properties)
    for key in ("mlm:name", "mlm:architecture", "mlm:tasks", "mlm:framework"):
        assert fresh.properties[key] == raw["properties"][key], key
    for ours, theirs in zip(raw["properties"]["mlm:input"], fresh.properties["mlm:input"], strict=True):
        for key in ("name", "bands", "input", "value_scaling"):
            assert theirs[key] == ours[key], key

    models = [a for a in item.assets.values() if "mlm:model" in a.roles]
    assert len(models) == max(1, len(raw["properties"]["s2infer:inference"].get("members", [])))
    channels = [band if isinstance(band, str) else band.name for band in model_input.bands]
    for model in models:
        assert model.extra_fields["mlm:artifact_type"]
        assert [b["name"] for b in model.extra_fields["bands"]] == channels
    for key, asset in item.assets.items():
        checksum = asset.extra_fields["file:checksum"]
        assert checksum.startswith("1220") and len(checksum) == 68, key
        assert asset.extra_fields["file:size"] >= 0, key

    jsonschema.Draft7Validator.check_schema(block_schema)
    jsonschema.validate(raw["properties"]["s2infer:inference"], block_schema)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        block_schema = json.load(file)
    for path in sys.argv[2:]:
        validate(path, block_schema)
        print(f"valid: {path}")


if __name__ == "__main__":
    main()
