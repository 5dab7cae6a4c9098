"""What the official programs computed over the pattern. Source: npm `@0gfoundation/0g-ts-sdk` 1.2.8, and a port of `Flow.sol`
(0gfoundation/0g-storage-contracts at 2026-02-04) for the flow."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FileVector:
    """A file of the pattern: its sectors, its segments, the heights of its nodes and its root."""

    size_bytes: int
    sectors: int
    padded_sectors: int
    segments: int
    padded_segments: int
    heights: tuple[int, ...]
    root_hex: str


FILES = [
    FileVector(1, 1, 1, 1, 1, (0,), "d397b3b043d87fcd6fad1291ff0bfd16401c274896d8c63a923727f077b8e0b5"),
    FileVector(255, 1, 1, 1, 1, (0,), "037a0c9cbd377fa4d88832b1adb2de77b7a2939815debfc83137ecf1b89bf984"),
    FileVector(256, 1, 1, 1, 1, (0,), "e2a94a8afb5941b26a9be1be979c403e33559570b52961b48b3f7d36237fecc8"),
    FileVector(257, 2, 2, 1, 1, (1,), "24b74d6cdc150cad90a1ba71ff747a7e0d377f676fc78dbcc9218d22dafa503b"),
    FileVector(512, 2, 2, 1, 1, (1,), "5f4f176b8a1f76b09aa50006224b5e638d202941d2ef4f57f370305852864645"),
    FileVector(513, 3, 3, 1, 1, (1, 0), "e049f2ef01ba47692ee32f24428319a73872124e59965a362734d068eec7ffda"),
    FileVector(768, 3, 3, 1, 1, (1, 0), "6d7c4fcd7671d38afa95e3f95ba75ab82fb2df459f753885f0154e7627e67391"),
    FileVector(4096, 16, 16, 1, 1, (4,), "aef6d19a4161f0fabc7a71f56477d1c829d6ba7967d6a987750ff67fbfb430a5"),
    FileVector(4097, 17, 18, 1, 1, (4, 1), "b6c1b3198755cdcf3e030b73b31801aaea2ea41be49229e5e0b5eaa0be775ed8"),
    FileVector(262143, 1024, 1024, 1, 1, (10,), "f8f1aae97b95c26ee1d7b2190ac539b7f708c150b75d8f31f701ad1e1514b65a"),
    FileVector(262144, 1024, 1024, 1, 1, (10,), "4d533607c0f4423a9287d761e7394aa61552adb7d6a080cdb278ddb65b2eacb7"),
    FileVector(262145, 1025, 1152, 2, 2, (10, 7), "1458412a6ece9f4f9dc83ade0c68037378ef3e10fe484cea5d451cc10c9212d0"),
    FileVector(300000, 1172, 1280, 2, 2, (10, 8), "04f3f3c1a9b94c408cc91624244806a8ab53ffc5842647189d4060cf39d58318"),
    FileVector(524288, 2048, 2048, 2, 2, (11,), "3af70feaa83ba05461a297676ed6322a793fa2dcc130900f6988918511605705"),
    FileVector(524289, 2049, 2304, 3, 3, (11, 8), "2e97cf072a5571c775cb5882abcb07394670c26574b2f6fe618dc50c221a85fa"),
    FileVector(786432, 3072, 3072, 3, 3, (11, 10), "a19fb682db92e89f0ce29f55c6eeebe690e2d6d139ae62afb0b7b707b86083c8"),
    FileVector(1048577, 4097, 4608, 5, 5, (12, 9), "3bdc4fe98b58589538649dc2bfa4675ab5d18d30908256443d6e86ad70da2756"),
    FileVector(4194304, 16384, 16384, 16, 16, (14,), "83eefbcdf40866aaf387878bc2614410ce7637c02977fecce90779253e49b200"),
    FileVector(4456448, 17408, 18432, 17, 18, (14, 11), "889b5f23259aa98e971c0839f4c6fe1a9de7444ae7fced2bff6cd7354ef7e5f1"),
    FileVector(10485760, 40960, 40960, 40, 40, (15, 13), "0541f6e1bc3c67ceb5e4a26de5a0694e9cd33bcafb1ab4350fef40037c1b275f"),
    FileVector(10485761, 40961, 45056, 41, 44, (15, 13, 12), "8c4faecc5763e42c3a9559ec833a62e5aa3ac3847bfb49ceade84b0bd830127f"),
]

ZERO_SECTOR = "d397b3b043d87fcd6fad1291ff0bfd16401c274896d8c63a923727f077b8e0b5"
ZERO_SEGMENT = "e68d02859bb6211cec64f52368b77d422de3b8eac34bf615942b814b643301b5"
ZERO_HIGHEST = "b48a92d40b61dc995ceecee4cded6415050dcece448b1e0b5e5b6a0e6981f3ef"


@dataclass(frozen=True)
class ProofVector:
    """A segment as the official client uploads it: bytes of data, the lemma without the file's root, and the path."""

    size_bytes: int
    index: int
    data_bytes: int
    lemma_hex: tuple[str, ...]
    path: tuple[bool, ...]


PROOFS = [
    ProofVector(
        262145,
        0,
        262144,
        (
            "4d533607c0f4423a9287d761e7394aa61552adb7d6a080cdb278ddb65b2eacb7",
            "ccbcdbc37fd2c6dd3f67f5e88b1358108db019d506e6bf8d8ef630ee5b390533",
        ),
        (True,),
    ),
    ProofVector(
        262145,
        1,
        256,
        (
            "ccbcdbc37fd2c6dd3f67f5e88b1358108db019d506e6bf8d8ef630ee5b390533",
            "4d533607c0f4423a9287d761e7394aa61552adb7d6a080cdb278ddb65b2eacb7",
        ),
        (False,),
    ),
    ProofVector(
        4456448,
        16,
        262144,
        (
            "25ae9e541203b21a3b94d243dd70f85c96c4207bd8301d995acdd2e4eb52218e",
            ZERO_SEGMENT,
            "83eefbcdf40866aaf387878bc2614410ce7637c02977fecce90779253e49b200",
        ),
        (True, False),
    ),
    ProofVector(
        4456448,
        0,
        262144,
        (
            "4d533607c0f4423a9287d761e7394aa61552adb7d6a080cdb278ddb65b2eacb7",
            "1935877a058f7a928762c026fcd7d6a0ca76ce38196e1c78b9d1c3ed70ae7a84",
            "5adaf0904d8c1a0684ba45719286b06450648ab746a41a1a340fd0c867fcd054",
            "e3afc382b9c49eb763706a4b40a053b96b3ff1ac6e6d6b00f5a9b96df4bb597e",
            "85db03467ca75f440d0c8d799686f408c55430221034eef63a22a79220e6eb62",
            "f4cee85a9c07bdf0681257a9e494981f63666458b53c0ef1966551c74f947427",
        ),
        (True,) * 5,
    ),
]


@dataclass(frozen=True)
class FlowVector:
    """One submission after another: the file, where it begins, the length of the flow after it and the flow's root."""

    size_bytes: int
    start: int
    sectors_after: int
    root_hex: str


FLOW = [
    FlowVector(1, 1, 2, "2014f3087d820492aa74c1e1a30cf4d6111e1f2459ef7cd80dd1e1bc2bc6593d"),
    FlowVector(257, 2, 4, "367814d9bc498fbc34cd62181ce58e3a28c5b43c4c1a9e5c2b4e336c952a8ef5"),
    FlowVector(513, 4, 7, "816e768bbe890941cdb5cb196cb047262170a63430b6162df77ab4bfe10ffc9f"),
    FlowVector(4097, 16, 34, "863eb208090bc88349f4113583faad254bbd8e402e66ca9454dfb5492e892572"),
    FlowVector(262145, 1024, 2176, "be6a9a1877e056ad7e827abeee1f50de8b04bfd98db91343ea4c7c849ffbb225"),
    FlowVector(255, 2176, 2177, "dedd442fe7e4e66e681a0cf091fd0a6d07bcc94fdea2325a42fc95349e4648e6"),
    FlowVector(786432, 4096, 7168, "e2989bab750730d6337096631b71ec211e02d0d03a485561798381fb69dd6b81"),
    FlowVector(1, 7168, 7169, "e2989bab750730d6337096631b71ec211e02d0d03a485561798381fb69dd6b81"),
]
