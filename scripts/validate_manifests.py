#!/usr/bin/env python3
"""Validates the manifests of all model folders, offline and without s2infer:

1. the STAC item against the core schema 1.1.0 that pystac ships;
2. the `mlm:` properties with the Python package stac-model (Machine Learning Model extension 1.5.1);
3. the `s2infer:` block against models/s2infer.schema.json;
4. every asset's size and SHA-256 against the file.
"""

import hashlib
import json
import pathlib
import sys

import jsonschema
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from stac_model.schema import SCHEMA_URI, MLModelProperties

CORE_SCHEMA = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"
SCHEMA = "s2infer.schema.json"
SHA256_MULTIHASH = "1220"


def core_problems(item):
    schemas = get_local_schema_cache()
    registry = Registry().with_resources([(uri, Resource.from_contents(schema)) for uri, schema in schemas.items()])
    for error in jsonschema.Draft7Validator(schemas[CORE_SCHEMA], registry=registry).iter_errors(item):
        yield f"STAC item: {error.json_path}: {error.message[:300]}"


def mlm_problems(item):
    if SCHEMA_URI not in item.get("stac_extensions", []):
        yield f"stac_extensions does not name {SCHEMA_URI}"
    try:
        MLModelProperties(**item["properties"])
    except ValueError as error:
        yield f"mlm properties: {error}"


def own_problems(item, schema):
    block = {name: value for name, value in item["properties"].items() if name.startswith("s2infer:")}
    for error in jsonschema.Draft202012Validator(schema).iter_errors(block):
        yield f"s2infer block: {error.json_path}: {error.message[:300]}"


def asset_problems(item, folder):
    for name, asset in item["assets"].items():
        path = folder / asset["href"]
        if not path.resolve().is_relative_to(folder.resolve()):
            yield f"asset {name}: {asset['href']} leads out of the folder"
            continue
        content = path.read_bytes()
        if asset.get("file:size") != len(content):
            yield f"asset {name}: file:size is {asset.get('file:size')}, the file has {len(content)} bytes"
        checksum = SHA256_MULTIHASH + hashlib.sha256(content).hexdigest()
        if asset.get("file:checksum") != checksum:
            yield f"asset {name}: file:checksum is {asset.get('file:checksum')}, the file's is {checksum}"


def main(models):
    schema = json.loads((models / SCHEMA).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    manifests = sorted(models.glob("*/model.json"))
    bad = 0
    for manifest in manifests:
        item = json.loads(manifest.read_text())
        problems = [
            *core_problems(item),
            *mlm_problems(item),
            *own_problems(item, schema),
            *asset_problems(item, manifest.parent),
        ]
        for problem in problems:
            print(f"{manifest}: {problem}")
        bad += bool(problems)
    print(f"{len(manifests)} manifests, {bad} with problems")
    return 1 if bad or not manifests else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
