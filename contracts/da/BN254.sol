// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice A point of the curve y² = x³ + 3; both zero is the point at infinity.
struct G1Point {
    uint256 X;
    uint256 Y;
}

/// @notice A point of the twisted curve. Signers are registered with the real part first, `X[0] + X[1]·i`; where a point is passed on to the
/// pairing the imaginary part comes first, `X[1] + X[0]·i`.
struct G2Point {
    uint256[2] X;
    uint256[2] Y;
}

/// @title Sums, multiples and pairings on the curve BN254, by the precompiled contracts of EIP-196, EIP-197 and EIP-198
library BN254 {
    /// @dev Order of the groups.
    uint256 internal constant FR_MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @dev Of the field that coordinates are in.
    uint256 internal constant FP_MODULUS = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    /// @dev An element to this power is its square root, if it has one.
    uint256 private constant ROOT_EXPONENT = (FP_MODULUS + 1) / 4;

    /// @dev The generator of G2 with its sign changed, imaginary parts first.
    uint256 private constant NEGATED_X_IMAGINARY = 11559732032986387107991004021392285783925812861821192530917403151452391805634;
    uint256 private constant NEGATED_X_REAL = 10857046999023057135944570762232829481370756359578518086990519993285655852781;
    uint256 private constant NEGATED_Y_IMAGINARY =
        FP_MODULUS - 4082367875863433681332203403145435568316851327593401208105741076214120093531;
    uint256 private constant NEGATED_Y_REAL = FP_MODULUS - 8495653923123431417604973247489272438418190587263600148770280649306958101930;

    address private constant MODEXP = address(0x05);
    address private constant ADD = address(0x06);
    address private constant MULTIPLY = address(0x07);
    address private constant PAIRING = address(0x08);
    /// @dev Bounds what a point off the curve can cost: these precompiled contracts then take all they are given.
    uint256 private constant ADD_GAS = 1_000;
    uint256 private constant MULTIPLY_GAS = 20_000;
    uint256 private constant MODEXP_GAS = 20_000;

    /// @dev A coordinate is too large, or the point is not on the curve.
    error NotOnCurve();
    /// @dev Too little gas was left for a power modulo the field.
    error ModexpFailed();

    function generator() internal pure returns (G1Point memory) {
        return G1Point(1, 2);
    }

    function negatedGenerator2() internal pure returns (G2Point memory) {
        return G2Point([NEGATED_X_IMAGINARY, NEGATED_X_REAL], [NEGATED_Y_IMAGINARY, NEGATED_Y_REAL]);
    }

    function isZero(G1Point memory point) internal pure returns (bool) {
        return point.X == 0 && point.Y == 0;
    }

    function plus(G1Point memory left, G1Point memory right) internal view returns (G1Point memory sum) {
        (bool success, bytes memory result) = ADD.staticcall{gas: ADD_GAS}(abi.encode(left, right));
        if (!success) revert NotOnCurve();
        sum = abi.decode(result, (G1Point));
    }

    function times(G1Point memory point, uint256 factor) internal view returns (G1Point memory product) {
        (bool success, bytes memory result) = MULTIPLY.staticcall{gas: MULTIPLY_GAS}(abi.encode(point, factor));
        if (!success) revert NotOnCurve();
        product = abi.decode(result, (G1Point));
    }

    /// @dev Whether e(a1, a2) · e(b1, b2) = 1, and whether that could be computed. Points of G2 have their imaginary parts first.
    function pairing(G1Point memory a1, G2Point memory a2, G1Point memory b1, G2Point memory b2, uint256 gasLimit)
        internal
        view
        returns (bool success, bool isOne)
    {
        bytes memory result;
        (success, result) = PAIRING.staticcall{gas: gasLimit}(abi.encode(a1, a2, b1, b2));
        isOne = success && abi.decode(result, (bool));
    }

    /// @dev The first point whose x is the digest or follows it. Which of the two roots is y the exponent says.
    function hashToG1(bytes32 digest) internal view returns (G1Point memory point) {
        point.X = uint256(digest) % FP_MODULUS;
        while (true) {
            uint256 square = addmod(mulmod(mulmod(point.X, point.X, FP_MODULUS), point.X, FP_MODULUS), 3, FP_MODULUS);
            point.Y = _root(square);
            if (mulmod(point.Y, point.Y, FP_MODULUS) == square) return point;
            point.X = addmod(point.X, 1, FP_MODULUS);
        }
    }

    function _root(uint256 square) private view returns (uint256) {
        bytes memory power = abi.encode(32, 32, 32, square, ROOT_EXPONENT, FP_MODULUS);
        (bool success, bytes memory result) = MODEXP.staticcall{gas: MODEXP_GAS}(power);
        if (!success) revert ModexpFailed();
        return abi.decode(result, (uint256));
    }
}
