// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title A number with an owner, and one way to fail of each kind
/// @notice For tests of what a client sees: events, custom errors with arguments, reasons and panics.
contract Counter {
    /// @notice The largest step that `add` takes.
    uint256 public constant STEP_MAX = 1000;

    address public immutable owner;
    uint256 public value;
    /// @notice How often each account has counted.
    mapping(address account => uint256 times) public timesBy;

    event Counted(address indexed by, uint256 indexed step, uint256 value);
    event Named(string indexed nameHash, string name, bytes32[] tags);

    error StepTooLarge(uint256 step, uint256 stepMax);
    error NotOwner(address caller, address owner);
    error Refused();

    constructor(uint256 start) payable {
        owner = msg.sender;
        value = start;
    }

    /// @notice Count one on.
    function increment() external {
        _count(1);
    }

    /// @notice Count `step` on; reverts with `StepTooLarge` above `STEP_MAX`.
    function add(uint256 step) external payable {
        if (step > STEP_MAX) revert StepTooLarge(step, STEP_MAX);
        _count(step);
    }

    /// @notice Set the number; reverts with `NotOwner` for anybody else.
    function set(uint256 newValue) external {
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
        value = newValue;
    }

    /// @notice Emit an event with a hashed name and data of dynamic size.
    function label(string calldata name, bytes32[] calldata tags) external {
        emit Named(name, name, tags);
    }

    /// @notice Reverts with a reason.
    function failWithReason() external pure {
        require(false, "Counter: this always fails");
    }

    /// @notice Reverts with a custom error that has no argument.
    function failWithError() external pure {
        revert Refused();
    }

    /// @notice Reverts with no data at all.
    function failSilently() external pure {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }

    /// @notice Panics with 0x01, as a failed assertion does.
    function failAssertion() external pure {
        assert(false);
    }

    /// @notice Panics with 0x11 whenever `x` is not the highest number.
    function underflow(uint256 x) external pure returns (uint256) {
        return x - type(uint256).max;
    }

    /// @notice Panics with 0x12 when `divisor` is zero.
    function divide(uint256 dividend, uint256 divisor) external pure returns (uint256) {
        return dividend / divisor;
    }

    function _count(uint256 step) private {
        value += step;
        ++timesBy[msg.sender];
        emit Counted(msg.sender, step, value);
    }
}
