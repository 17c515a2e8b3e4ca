// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AnomalyLogger} from "../src/AnomalyLogger.sol";
import {Rfc9162} from "../src/Rfc9162.sol";
import {IAnomalyLogger} from "../src/interfaces/IAnomalyLogger.sol";
import {print, vm} from "./Vm.sol";

/// @notice Deploys one {AnomalyLogger}: from the repository root, with the environment below,
///
///     forge script contracts/script/Deploy.s.sol --rpc-url URL --broadcast --keystore FILE --password-file FILE
///
/// or with any other way of signing that forge has. Without `--broadcast` it only rehearses.
///
/// | variable       | meaning                                                                           |
/// |----------------|-----------------------------------------------------------------------------------|
/// | `LOG_ID`       | 32 bytes: SHA-256(origin ‖ 0x0A ‖ 0x01 ‖ Ed25519 public key)                      |
/// | `OWNER`        | the account that may replace the anchorer                                         |
/// | `ANCHORER`     | the account that may anchor; not the owner                                        |
/// | `PREDECESSOR`  | optional: the contract to continue; nobody may anchor there any more              |
/// | `DEPLOYER_KEY` | optional: the private key that signs, where the command line names none            |
///
/// The account that signs gets no rights.
///
/// @dev It writes nothing but forge's own broadcast file. What it deployed and where is what `run` returns, which forge
/// prints as JSON with `--json`; and it prints the chain's four of the five trust roots as they stand in a trust file.
contract Deploy {
    function run() external returns (AnomalyLogger logger, uint256 chainId, bytes32 codeHash) {
        bytes32 logId = vm.envBytes32("LOG_ID");
        address owner = vm.envAddress("OWNER");
        address anchorer = vm.envAddress("ANCHORER");
        address predecessor = vm.envOr("PREDECESSOR", address(0));
        uint256 key = vm.envOr("DEPLOYER_KEY", uint256(0));

        require(logId != bytes32(0), "LOG_ID is zero: `anomaly-ledger admin init` prints the log's");
        require(owner != address(0), "OWNER is zero: nobody could replace a stolen anchoring key");
        require(anchorer != address(0), "ANCHORER is zero: nobody could anchor");
        require(
            anchorer != owner, "ANCHORER is OWNER: the key that is used every day must not be the one that replaces it"
        );
        (bytes32 root, uint64 size) = start(logId, predecessor);

        if (key == 0) vm.startBroadcast();
        else vm.startBroadcast(key);
        logger = new AnomalyLogger(logId, owner, anchorer, predecessor, size, root);
        vm.stopBroadcast();

        chainId = block.chainid;
        codeHash = address(logger).codehash;
        printTrustRoots(logger, chainId, codeHash);
    }

    /// @dev The state that the log continues from. If the predecessor moves on before the deployment arrives, the
    /// constructor reverts, and the script can be run again.
    function start(bytes32 logId, address predecessor) private view returns (bytes32 root, uint64 size) {
        if (predecessor == address(0)) return (Rfc9162.EMPTY_ROOT, 0);
        require(predecessor.code.length != 0, "PREDECESSOR has no code on this chain");
        IAnomalyLogger old = IAnomalyLogger(predecessor);
        require(old.logId() == logId, "PREDECESSOR anchors another log than LOG_ID");
        require(
            old.anchorer() == address(0), "PREDECESSOR still has an anchorer: its owner calls removeAnchorer() first"
        );
        require(
            old.candidate() == address(0),
            "PREDECESSOR has a candidate who could anchor there: its owner calls proposeAnchorer(0) first"
        );
        return old.head();
    }

    /// @dev Printed before anything is sent: they hold once the transaction is included.
    function printTrustRoots(AnomalyLogger logger, uint256 chainId, bytes32 codeHash) private {
        print("The chain's part of the trust file, once this is included. `anomaly-ledger admin init` prints log_key.");
        print(string.concat('  "chain_id": ', vm.toString(chainId), ","));
        print(string.concat('  "genesis_hash": "', genesisHash(), '",'));
        print(string.concat('  "contract": "', vm.toString(address(logger)), '",'));
        print(string.concat('  "code_hash": "', vm.toString(codeHash), '"'));
    }

    /// @dev The hash of block 0, which the EVM knows in the 256 blocks after it. There is none without a node.
    function genesisHash() private returns (string memory) {
        try vm.activeFork() {
            vm.roll(1);
            return vm.toString(blockhash(0));
        } catch {
            return "unknown";
        }
    }
}
