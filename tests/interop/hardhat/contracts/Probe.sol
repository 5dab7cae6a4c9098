// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title What a contract sees of its block, and one failure of each kind
contract Probe {
    enum Colour {
        Red,
        Green
    }

    uint256 public written;
    uint256[] private numbers;
    bytes private raw;

    event Written(address indexed by, uint256 indexed slot, uint256 value, string note);

    error Refused();
    error TooLarge(uint256 value, uint256 valueMax);

    receive() external payable {}

    function timestamp() external view returns (uint256) {
        return block.timestamp;
    }

    function randao() external view returns (uint256) {
        return block.prevrandao;
    }

    function write(uint256 value) external payable {
        if (value > 1000) revert TooLarge(value, 1000);
        written = value;
        emit Written(msg.sender, 0, value, "written");
    }

    function refuse() external pure {
        revert Refused();
    }

    function silent() external pure {
        revert();
    }

    function reason() external pure {
        revert("Probe: a reason");
    }

    function pay(address payable to) external payable {
        (bool done,) = to.call{value: msg.value}("");
        require(done, "Probe: not paid");
    }

    /// @notice Fail with the panic of `code`. Source: docs.soliditylang.org, Panic via assert and Error via require.
    function panic(uint256 code) external returns (uint256 result) {
        if (code == 0x01) assert(false);
        if (code == 0x11) return type(uint256).max + code;
        if (code == 0x12) return code / (code - 0x12);
        if (code == 0x21) return uint256(Colour(code));
        if (code == 0x22) {
            assembly {
                sstore(raw.slot, 1)
            }
            return raw.length;
        }
        if (code == 0x31) numbers.pop();
        if (code == 0x32) return numbers[code];
        if (code == 0x41) return new uint256[](type(uint256).max - code).length;
        if (code == 0x51) {
            function() internal pure returns (uint256) nothing;
            return nothing();
        }
    }
}
