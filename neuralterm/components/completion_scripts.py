"""What a shell runs to have command lines completed: it asks the program itself, which answers a line for each word."""

from __future__ import annotations

_BASH = r"""# Completion of neuralterm for bash.
# For good, where the package bash-completion is there:
#   mkdir -p ~/.local/share/bash-completion/completions
#   neuralterm completion bash > ~/.local/share/bash-completion/completions/neuralterm
# Or in ~/.bashrc:  source <(neuralterm completion bash)

_neuralterm_completion() {
    local line word about
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            file) compopt -o default 2> /dev/null ;;
            dir) compopt -o dirnames 2> /dev/null ;;
            word*)
                line=${line#word$'\t'}
                word=${line%%$'\t'*}
                about=${line#*$'\t'}
                # 63 is "?": words are listed, and nothing of them is inserted.
                if [[ ${COMP_TYPE-} == 63 && -n $about ]]; then
                    word="$word  ($about)"
                    word=${word:0:${COLUMNS:-80} - 1}
                fi
                COMPREPLY+=("$word")
                ;;
        esac
    done <<< "$(_NEURALTERM_COMPLETE=bash_complete _NEURALTERM_LINE="${COMP_LINE:0:COMP_POINT}" \
        _NEURALTERM_BREAKS="$COMP_WORDBREAKS" neuralterm 2> /dev/null < /dev/null)"
}

complete -o nosort -F _neuralterm_completion neuralterm 2> /dev/null ||
    complete -F _neuralterm_completion neuralterm
"""

_ZSH = r"""#compdef neuralterm
# Completion of neuralterm for zsh.
# For good: put it into a folder of $fpath under the name _neuralterm, before compinit runs in ~/.zshrc:
#   mkdir -p ~/.zfunc && neuralterm completion zsh > ~/.zfunc/_neuralterm
#   fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit
# Or in ~/.zshrc, after compinit:  source <(neuralterm completion zsh)

_neuralterm() {
    local answer line value about
    local -a values abouts shown
    local -i width=0
    answer=$(_NEURALTERM_COMPLETE=zsh_complete _NEURALTERM_LINE="${(j: :)words[1,CURRENT-1]} $words[CURRENT]" \
        neuralterm 2> /dev/null < /dev/null)
    for line in "${(@f)answer}"; do
        case $line in
            file) _files ;;
            dir) _files -/ ;;
            word*)
                value=${${line#*$'\t'}%%$'\t'*}
                values+=("$value")
                abouts+=("${line##*$'\t'}")
                (( $#value > width )) && width=$#value
                ;;
        esac
    done
    if [[ -z "${(j::)abouts}" ]]; then
        compadd -V neuralterm -a values
        return
    fi
    for value about in "${(@)values:^abouts}"; do
        line="${(r:$width:)value}${about:+  -- $about}"
        shown+=("$line[1,COLUMNS-1]")
    done
    compadd -V neuralterm -l -d shown -a values
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _neuralterm "$@"
else
    compdef _neuralterm neuralterm
fi
"""

_FISH = r"""# Completion of neuralterm for fish.
# For good:  neuralterm completion fish > ~/.config/fish/completions/neuralterm.fish
# Only in this shell:  neuralterm completion fish | source

function __neuralterm_completion
    set -l answer (_NEURALTERM_COMPLETE=fish_complete _NEURALTERM_LINE=(commandline -cp | string collect) \
        neuralterm 2> /dev/null < /dev/null)
    for line in $answer
        switch $line
            case file
                __fish_complete_path (commandline -ct)
            case dir
                __fish_complete_directories (commandline -ct)
            case 'word*'
                string replace --regex '^word\t' '' -- $line
        end
    end
end

complete --command neuralterm --no-files --keep-order --arguments '(__neuralterm_completion)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
