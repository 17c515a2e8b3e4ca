// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice forge's cheatcodes, as far as the deploy script uses them. (forge-std is not on npm.)
interface Vm {
    // What it is told.
    function envAddress(string calldata name) external view returns (address);
    function envBytes32(string calldata name) external view returns (bytes32);
    function envOr(string calldata name, address otherwise) external view returns (address);
    function envOr(string calldata name, uint256 otherwise) external view returns (uint256);

    // What it sends.
    function startBroadcast() external;
    function startBroadcast(uint256 privateKey) external;
    function stopBroadcast() external;

    // What it asks the chain.
    function activeFork() external view returns (uint256 id);
    function roll(uint256 blockNumber) external;

    // What it prints.
    function toString(address value) external pure returns (string memory);
    function toString(bytes32 value) external pure returns (string memory);
    function toString(uint256 value) external pure returns (string memory);
}

/// @dev The address that forge answers cheatcodes at: the last 20 bytes of keccak256("hevm cheat code").
Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @dev Prints a line, by the address that forge reads lines from: "console.log" in ASCII.
function print(string memory line) view {
    (bool ok,) = 0x000000000000000000636F6e736F6c652e6c6f67.staticcall(abi.encodeWithSignature("log(string)", line));
    ok; // Nothing depends on it.
}
