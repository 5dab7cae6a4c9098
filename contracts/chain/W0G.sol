// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title The native token as an ERC-20, one to one
/// @notice Events and methods are those of WETH9, so that what knows wrapped ether knows wrapped 0G. Name, symbol and
/// decimals are constants: the contract works when a genesis block holds its code and no storage. Beyond that, a minter with
/// a cap mints tokens that the chain itself covers with new native ones, and burns them again.
contract W0G {
    /// @notice The precompiled contract that mints and burns the native token.
    address public constant WRAPPED_A0GI_BASE = 0x0000000000000000000000000000000000001002;

    string public constant name = "Wrapped 0G";
    string public constant symbol = "W0G";
    uint8 public constant decimals = 18;

    /// @notice What each account holds, in wei.
    mapping(address account => uint256 wad) public balanceOf;
    /// @notice What `spender` may still move for `owner`, in wei; the highest value is never used up.
    mapping(address owner => mapping(address spender => uint256 wad)) public allowance;

    event Approval(address indexed src, address indexed guy, uint256 wad);
    event Transfer(address indexed src, address indexed dst, uint256 wad);
    event Deposit(address indexed dst, uint256 wad);
    event Withdrawal(address indexed src, uint256 wad);
    event Mint(address indexed minter, address indexed recipient, uint256 wad);
    event Burn(address indexed minter, address indexed src, uint256 wad);

    /// @dev `sender` holds `balance` and would need `needed`. The name is that of ERC-6093.
    error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
    /// @dev `spender` may move `allowance` and would need `needed`. The name is that of ERC-6093.
    error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
    /// @dev `recipient` did not take the native tokens that it withdrew.
    error WithdrawalRefused(address recipient, uint256 wad);

    /// @notice Plain transfers of the native token wrap it for their sender.
    receive() external payable {
        deposit();
    }

    /// @notice Wrap the value of this call for its sender.
    function deposit() public payable {
        balanceOf[msg.sender] += msg.value;
        emit Deposit(msg.sender, msg.value);
    }

    /// @notice Unwrap tokens of the caller and send them to it as native tokens.
    /// @param wad How much, in wei.
    function withdraw(uint256 wad) external {
        _take(msg.sender, wad);
        emit Withdrawal(msg.sender, wad);
        (bool taken,) = msg.sender.call{value: wad}("");
        if (!taken) revert WithdrawalRefused(msg.sender, wad);
    }

    /// @notice All tokens there are: as many as this contract holds of the native token.
    function totalSupply() external view returns (uint256) {
        return address(this).balance;
    }

    /// @notice Let another account move tokens of the caller. Replaces what was allowed before.
    /// @param guy Who may.
    /// @param wad How much, in wei.
    function approve(address guy, uint256 wad) external returns (bool) {
        allowance[msg.sender][guy] = wad;
        emit Approval(msg.sender, guy, wad);
        return true;
    }

    /// @notice Move tokens of the caller.
    /// @param dst Who gets them.
    /// @param wad How much, in wei.
    function transfer(address dst, uint256 wad) external returns (bool) {
        return transferFrom(msg.sender, dst, wad);
    }

    /// @notice Move tokens of `src`, which must be the caller or have allowed it.
    /// @param src Whose tokens.
    /// @param dst Who gets them.
    /// @param wad How much, in wei.
    function transferFrom(address src, address dst, uint256 wad) public returns (bool) {
        if (src != msg.sender) _useAllowance(src, wad);
        _take(src, wad);
        balanceOf[dst] += wad;
        emit Transfer(src, dst, wad);
        return true;
    }

    /// @notice Mint native tokens into this contract and their equivalent to an account, within the cap of the caller.
    /// @param recipient Who gets the tokens.
    /// @param wad How much, in wei.
    function mint(address recipient, uint256 wad) external {
        _callBase("mint(address,uint256)", wad, address(this).balance + wad, "wrapped a0gi base mint failed");
        balanceOf[recipient] += wad;
        emit Mint(msg.sender, recipient, wad);
    }

    /// @notice Burn tokens of the caller, and as many native ones of this contract; the caller is a minter that minted as many.
    /// @param wad How much, in wei.
    function burn(uint256 wad) external {
        _burn(msg.sender, wad);
    }

    /// @notice The same with tokens of `src`, which must be the caller or have allowed it.
    /// @param src Whose tokens.
    /// @param wad How much, in wei.
    function burn(address src, uint256 wad) external {
        _burn(src, wad);
    }

    /// @notice As `burn` of another account's tokens.
    /// @param src Whose tokens.
    /// @param wad How much, in wei.
    function burnFrom(address src, uint256 wad) external {
        _burn(src, wad);
    }

    function _burn(address src, uint256 wad) private {
        if (src != msg.sender) _useAllowance(src, wad);
        _take(src, wad);
        _callBase("burn(address,uint256)", wad, address(this).balance - wad, "wrapped a0gi base burn failed");
        emit Burn(msg.sender, src, wad);
    }

    /// @dev A call to an address without code succeeds: where the chain lacks the precompiled contract, only the balance tells.
    function _callBase(string memory signature, uint256 wad, uint256 balanceAfter, string memory refusal) private {
        (bool done,) = WRAPPED_A0GI_BASE.call(abi.encodeWithSignature(signature, msg.sender, wad));
        require(done && address(this).balance == balanceAfter, refusal);
    }

    function _take(address account, uint256 wad) private {
        uint256 balance = balanceOf[account];
        if (balance < wad) revert ERC20InsufficientBalance(account, balance, wad);
        unchecked {
            balanceOf[account] = balance - wad;
        }
    }

    function _useAllowance(address owner, uint256 wad) private {
        uint256 allowed = allowance[owner][msg.sender];
        if (allowed == type(uint256).max) return;
        if (allowed < wad) revert ERC20InsufficientAllowance(msg.sender, allowed, wad);
        unchecked {
            allowance[owner][msg.sender] = allowed - wad;
        }
    }
}
