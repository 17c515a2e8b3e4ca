// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AnomalyLogger} from "../src/AnomalyLogger.sol";
import {Rfc9162} from "../src/Rfc9162.sol";
import {IAnomalyLogger} from "../src/interfaces/IAnomalyLogger.sol";
import {vm} from "../test/utils/Vm.sol";

/// @notice Deploys one {AnomalyLogger}: from the repository root, with the environment below,
///
///     forge script contracts/script/Deploy.s.sol --rpc-url URL --broadcast --private-key KEY
///
/// or any other way of signing that forge has (--keystore, --account, --ledger). The key that signs gets no rights.
///
/// | variable      | meaning                                                                            |
/// |---------------|------------------------------------------------------------------------------------|
/// | `LOG_ID`      | 32 bytes: SHA-256(origin ‖ 0x0A ‖ 0x01 ‖ Ed25519 public key)                       |
/// | `OWNER`       | the account that may replace the anchorer                                          |
/// | `ANCHORER`    | the account that may anchor; not the owner                                         |
/// | `PREDECESSOR` | optional: the contract to continue; remove its anchorer first                      |
///
/// @dev It writes nothing but forge's own broadcast file. Contract address, chain id and code hash, three of the five trust
/// roots, are what `run` returns: forge prints them, as JSON with `--json`.
contract Deploy {
    function run() external returns (AnomalyLogger logger, uint256 chainId, bytes32 codeHash) {
        bytes32 logId = vm.envBytes32("LOG_ID");
        address owner = vm.envAddress("OWNER");
        address anchorer = vm.envAddress("ANCHORER");
        address predecessor = vm.envOr("PREDECESSOR", address(0));
        (bytes32 root, uint64 size) = start(predecessor);

        vm.startBroadcast();
        logger = new AnomalyLogger(logId, owner, anchorer, predecessor, size, root);
        vm.stopBroadcast();

        chainId = block.chainid;
        codeHash = address(logger).codehash;
    }

    /// @dev The state that the log continues from. If the predecessor moves on before the deployment arrives, the
    /// constructor reverts, and the script can be run again.
    function start(address predecessor) private view returns (bytes32 root, uint64 size) {
        if (predecessor == address(0)) return (Rfc9162.EMPTY_ROOT, 0);
        return IAnomalyLogger(predecessor).head();
    }
}
