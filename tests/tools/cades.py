"""Judges every seal and timestamp of an unpacked proof with pyHanko: cades.py DIRECTORY CA.pem

Prints "ok" or "FAIL" with the file, one line each; exit 1 when anything fails.
"""
import asyncio
import hashlib
import pathlib
import sys

from asn1crypto import cms, pem, x509
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms, validate_tst_signed_data
from pyhanko.sign.validation.status import TimestampSignatureStatus
from pyhanko_certvalidator import ValidationContext


def signed_data(path):
    return cms.ContentInfo.load(path.read_bytes(), strict=True)["content"]


def context(roots, moment):
    return ValidationContext(trust_roots=roots, moment=moment, allow_fetching=False, best_signature_time=moment)


def time_of(token):
    return token["encap_content_info"]["content"].parsed["gen_time"].native


async def seal(path, content, roots):
    data = signed_data(path)
    signer = data["signer_infos"][0]
    token = next(a for a in signer["unsigned_attrs"] if a["type"].native == "signature_time_stamp_token")
    moment = time_of(token["values"][0]["content"])
    status = await async_validate_detached_cms(
        content.read_bytes(), data,
        signer_validation_context=context(roots, moment), ts_validation_context=context(roots, moment))
    stamp = status.timestamp_validity
    return status.valid and status.intact and stamp is not None and stamp.valid and stamp.intact and stamp.trusted \
        and status.trusted


async def token(path, content, roots):
    data = signed_data(path)
    digest = hashlib.sha256(content.read_bytes()).digest()
    found = TimestampSignatureStatus(**await validate_tst_signed_data(data, context(roots, time_of(data)), digest))
    return found.valid and found.intact and found.trusted


async def main():
    folder, ca = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    roots = [x509.Certificate.load(der) for _, _, der in pem.unarmor(ca.read_bytes(), multiple=True)]
    bad = 0
    pairs = [(p, p.with_suffix(""), seal) for p in folder.glob("evidence/*.p7s")]
    pairs.append((folder / "log/checkpoint.p7s", folder / "log/checkpoint", seal))
    pairs.append((folder / "log/checkpoint.tst", folder / "log/checkpoint", token))
    pairs.append((folder / "META-INF/signature001.p7s", folder / "META-INF/ASiCManifest001.xml", seal))
    for path in folder.glob("META-INF/timestamp*.tst"):
        pairs.append((path, folder / "META-INF" / f"ASiCArchiveManifest{path.stem[-3:]}.xml", token))
    for path, content, judge in pairs:
        try:
            good, why = await judge(path, content, roots), ""
        except Exception as error:  # pylint: disable=broad-except
            good, why = False, f": {type(error).__name__} {error}"
        bad += not good
        print("ok  " if good else "FAIL", path.relative_to(folder), why)
    sys.exit(1 if bad else 0)


asyncio.run(main())
