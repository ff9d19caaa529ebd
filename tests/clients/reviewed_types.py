"""The names that the vendors' clients know and that somebody has looked at: what we do with each is proved or said here.

When a newer client knows another name, ``test_vendor_types`` fails: look at what it means, make the face or the adapter
handle it (or name it in ``X-Dropped-Params``, or refuse it), and write it down here.
"""

from __future__ import annotations

#: By the question of ``vendor_types``: what a client can ask for.
ASKED: dict[str, str] = {
    "messages roles": ("assistant system user"),
    "messages blocks": (
        "advisor_tool_result bash_code_execution_tool_result code_execution_tool_result compaction "
        "container_upload document fallback image mcp_tool_listing mcp_tool_result mcp_tool_use "
        "redacted_thinking search_result server_tool_use text text_editor_code_execution_tool_result "
        "thinking tool_addition tool_removal tool_result tool_search_tool_result tool_use "
        "web_fetch_tool_result web_search_tool_result"
    ),
    "messages tools": (
        "advisor_20260301 bash_20241022 bash_20250124 browser_toolset_20260801 code_execution_20250522 "
        "code_execution_20250825 code_execution_20260120 code_execution_20260521 computer_20241022 "
        "computer_20250124 computer_20251124 computer_toolset_20260801 custom mcp_toolset memory_20250818 "
        "text_editor_20241022 text_editor_20250124 text_editor_20250429 text_editor_20250728 "
        "tool_search_tool_bm25 tool_search_tool_bm25_20251119 tool_search_tool_regex "
        "tool_search_tool_regex_20251119 web_fetch_20250910 web_fetch_20260209 web_fetch_20260309 "
        "web_fetch_20260318 web_search_20250305 web_search_20260209 web_search_20260318"
    ),
    "responses items": (
        "additional_tools apply_patch_call apply_patch_call_output code_interpreter_call compaction "
        "compaction_trigger computer_call computer_call_output configuration_update custom_tool_call "
        "custom_tool_call_output file_search_call function_call function_call_output "
        "image_generation_call item_reference local_shell_call local_shell_call_output "
        "mcp_approval_request mcp_approval_response mcp_call mcp_list_tools message program "
        "program_output reasoning shell_call shell_call_output tool_search_call tool_search_output "
        "web_search_call"
    ),
    "responses tools": (
        "apply_patch code_interpreter computer computer_use_preview custom file_search function "
        "image_generation local_shell mcp namespace programmatic_tool_calling shell tool_search "
        "web_search web_search_2025_08_26 web_search_preview web_search_preview_2025_03_11"
    ),
    "chat roles": ("assistant developer function system tool user"),
    "chat parts": ("file image_url input_audio text"),
    "chat tools": ("custom function"),
    "gemini parts": (
        "audioMetadata audioTranscription codeExecutionResult documentMetadata executableCode fileData "
        "functionCall functionResponse inlineData mediaProcessing mediaResolution partMetadata "
        "speechMetadata spreadsheetMetadata text thought thoughtSignature toolCall toolResponse "
        "videoMetadata"
    ),
    "gemini tools": (
        "codeExecution computerUse enterpriseWebSearch exaAiSearch fileSearch functionDeclarations "
        "googleMaps googleSearch googleSearchRetrieval mcpServers parallelAiSearch retrieval urlContext"
    ),
    "ollama chat": ("format keep_alive logprobs messages model options stream think tools top_logprobs"),
    "ollama options": (
        "embedding_only f16_kv frequency_penalty logits_all low_vram main_gpu mirostat mirostat_eta "
        "mirostat_tau num_batch num_ctx num_gpu num_keep num_predict num_thread numa penalize_newline "
        "presence_penalty repeat_last_n repeat_penalty seed stop temperature tfs_z top_k top_p typical_p "
        "use_mlock use_mmap vocab_only"
    ),
}

#: What a vendor can say, in answers. Events and items that no upstream can cause but OpenAI's own Responses, and blocks that
#: none can cause but Anthropic's own Messages, are relayed there as they come.
ANSWERED: dict[str, str] = {
    "messages events": (
        "content_block_delta content_block_start content_block_stop message_delta message_start message_stop"
    ),
    "messages deltas": ("citations_delta input_json_delta signature_delta text_delta thinking_delta"),
    "messages blocks": (
        "advisor_tool_result bash_code_execution_tool_result code_execution_tool_result compaction "
        "container_upload fallback mcp_tool_listing mcp_tool_result mcp_tool_use redacted_thinking "
        "server_tool_use text text_editor_code_execution_tool_result thinking tool_search_tool_result "
        "tool_use web_fetch_tool_result web_search_tool_result"
    ),
    "responses events": (
        "error response.audio.delta response.audio.done response.audio.transcript.delta "
        "response.audio.transcript.done response.code_interpreter_call.completed "
        "response.code_interpreter_call.in_progress response.code_interpreter_call.interpreting "
        "response.code_interpreter_call_code.delta response.code_interpreter_call_code.done "
        "response.compaction.compacting response.completed response.content_part.added "
        "response.content_part.done response.created response.custom_tool_call_input.delta "
        "response.custom_tool_call_input.done response.failed response.file_search_call.completed "
        "response.file_search_call.in_progress response.file_search_call.searching "
        "response.function_call_arguments.delta response.function_call_arguments.done "
        "response.image_generation_call.completed response.image_generation_call.generating "
        "response.image_generation_call.in_progress response.image_generation_call.partial_image "
        "response.in_progress response.incomplete response.mcp_call.completed response.mcp_call.failed "
        "response.mcp_call.in_progress response.mcp_call_arguments.delta response.mcp_call_arguments.done "
        "response.mcp_list_tools.completed response.mcp_list_tools.failed "
        "response.mcp_list_tools.in_progress response.output_item.added response.output_item.done "
        "response.output_text.annotation.added response.output_text.delta response.output_text.done "
        "response.queued response.reasoning_summary_part.added response.reasoning_summary_part.done "
        "response.reasoning_summary_text.delta response.reasoning_summary_text.done "
        "response.reasoning_text.delta response.reasoning_text.done response.refusal.delta "
        "response.refusal.done response.shell_call_command.added response.shell_call_command.delta "
        "response.shell_call_command.done response.shell_call_output_content.delta "
        "response.shell_call_output_content.done response.web_search_call.completed "
        "response.web_search_call.in_progress response.web_search_call.searching"
    ),
    "responses items": (
        "additional_tools apply_patch_call apply_patch_call_output code_interpreter_call compaction "
        "computer_call computer_call_output custom_tool_call custom_tool_call_output file_search_call "
        "function_call function_call_output image_generation_call local_shell_call "
        "local_shell_call_output mcp_approval_request mcp_approval_response mcp_call mcp_list_tools "
        "message program program_output reasoning shell_call shell_call_output tool_search_call "
        "tool_search_output web_search_call"
    ),
    "gemini ends": (
        "BLOCKLIST CONTINUATION ESCALATION FINISH_REASON_UNSPECIFIED IMAGE_OTHER IMAGE_PROHIBITED_CONTENT "
        "IMAGE_RECITATION IMAGE_SAFETY LANGUAGE MALFORMED_FUNCTION_CALL MALFORMED_RESPONSE MAX_TOKENS "
        "MISSING_THOUGHT_SIGNATURE MODEL_ARMOR NO_IMAGE OTHER PROHIBITED_CONTENT PUP_LIMITED_DISABLED "
        "RECITATION SAFETY SPII STOP TOO_MANY_TOOL_CALLS UNEXPECTED_TOOL_CALL"
    ),
    "ollama message": ("content images role thinking tool_calls tool_name"),
}

#: Asked for, without effect, and not named: it carries no words and no wish that an answer could be judged by.
SILENT: dict[str, str] = {
    "responses items: configuration_update": "what it sets is set for the request; the smallest sets nothing",
    "responses items: compaction_trigger": "a summary is asked for, and given instead of an answer",
}

#: Refused with a 400 of ours, over every upstream that does not speak the dialect itself.
REFUSED: dict[str, str] = {
    "responses items: computer_call": "the smallest has no action, and a call of nothing is not to be told",
    "responses items: item_reference": "nothing is kept that could be referred to",
}
