// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721URIStorage} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721URIStorage.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";

/// @title An ERC-721 that anyone buys
contract Badge is ERC721URIStorage {
    uint256 public constant PRICE = 0.1 ether;
    uint256 public count;

    error WrongPrice(uint256 paid, uint256 price);

    constructor() ERC721("Badge", "BDG") {}

    function buy(string calldata uri) external payable returns (uint256 tokenId) {
        if (msg.value != PRICE) revert WrongPrice(msg.value, PRICE);
        tokenId = ++count;
        _safeMint(msg.sender, tokenId);
        _setTokenURI(tokenId, uri);
    }
}

/// @title A contract that takes badges, and remembers the last one
contract Shelf is IERC721Receiver {
    uint256 public last;

    function onERC721Received(address, address, uint256 tokenId, bytes calldata) external returns (bytes4) {
        last = tokenId;
        return IERC721Receiver.onERC721Received.selector;
    }
}
